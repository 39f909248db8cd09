"""Mutants of a module: each one small wrong change, by the syntax tree."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One wrong change; `tree` is the whole module with it."""

    module: str
    function: str
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def key(self) -> str:
        """What it is, whatever moves around it."""
        return f"{self.module}.{self.function}: `{self.before}` -> `{self.after}`"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    whole = ast.parse(source)
    places = list(_places(whole, function=""))
    for number, (function, node) in enumerate(places):
        for place in range(len(list(_changes(node)))):
            tree = copy.deepcopy(whole)
            _, twin = list(_places(tree, function=""))[number]
            before = ast.unparse(twin)
            changed = list(_changes(twin))[place]
            _exchange(tree, twin, changed)
            ast.fix_missing_locations(tree)
            line = getattr(node, "lineno", 0)
            yield Mutant(module, function, line, before, ast.unparse(changed), tree)


def _places(node: ast.AST, *, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield what may be changed, outside of annotations, docstrings and decorators."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "bases"}:
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if not isinstance(child, ast.AST) or _is_silent(child):
                continue
            inside = function
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{function}.{child.name}".strip(".")
            yield inside, child
            yield from _places(child, function=inside)


def _is_silent(node: ast.AST) -> bool:
    """Say whether it has no effect on what is decided: prose, imports for types."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return False


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the node with each of the changes that its kind knows."""
    match node:
        case ast.Compare():
            yield from _of_comparison(node)
        case ast.Constant():
            yield from _of_constant(node)
        case ast.Call(ast.Name()):
            yield from _of_call(node)
        case ast.BoolOp(operator, values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield ast.BoolOp(other, values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.If(test, body, orelse) if isinstance(test, ast.Name | ast.Call):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)


def _of_comparison(node: ast.Compare) -> Iterator[ast.AST]:
    for place, operator in enumerate(node.ops):
        if type(operator) in _COMPARISONS:
            others: list[ast.cmpop] = list(node.ops)
            others[place] = _COMPARISONS[type(operator)]()
            yield ast.Compare(node.left, others, node.comparators)


def _of_constant(node: ast.Constant) -> Iterator[ast.AST]:
    match node.value:
        case bool() as value:
            yield ast.Constant(not value)
        case int() | float() as number:
            yield ast.Constant(number + 1)


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    assert isinstance(node.func, ast.Name)
    name = node.func.id
    if name in _CALLS:
        yield ast.Call(ast.Name(_CALLS[name], ast.Load()), node.args, node.keywords)
    if name == "replace":
        for place in range(len(node.keywords)):
            kept = [*node.keywords[:place], *node.keywords[place + 1 :]]
            yield ast.Call(node.func, node.args, kept)


def _exchange(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
                return
            if isinstance(value, list):
                for place, each in enumerate(value):
                    if each is old:
                        value[place] = new
                        return
