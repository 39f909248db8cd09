"""Mutants of a module: each one small wrong change, by the syntax tree."""

from __future__ import annotations

import ast
from collections import Counter
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
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SILENT_FIELDS = {"annotation", "returns", "decorator_list", "bases"}


@dataclass(frozen=True)
class Mutant:
    """One wrong change of a module, and where it is.

    `text` is the line of code; `node` and `change` find it again in the tree.
    """

    module: str
    function: str
    text: str
    before: str
    after: str
    twin: int
    node: int
    change: int

    @property
    def key(self) -> str:
        """What it is, whatever moves around it; a like one in the line is numbered."""
        number = f" (no. {self.twin})" if self.twin > 1 else ""
        change = f"`{self.before}` -> `{self.after}`{number}"
        place = f"{self.module}.{self.function}".rstrip(".")
        return f"{place}: `{self.text}`: {change}"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    lines = source.splitlines()
    seen: Counter[tuple[str, ...]] = Counter()
    for number, (function, node) in enumerate(_places(ast.parse(source), function="")):
        for change, changed in enumerate(_changes(node)):
            assert isinstance(node, ast.expr | ast.stmt)  # the others have no changes
            text = lines[node.lineno - 1].strip()
            words = (function, text, _words(node), _words(changed))
            seen[words] += 1
            yield Mutant(module, *words, seen[words], number, change)


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """Return the whole module with the change."""
    tree = ast.parse(source)
    _, node = list(_places(tree, function=""))[mutant.node]
    _exchange(tree, node, list(_changes(node))[mutant.change])
    return ast.fix_missing_locations(tree)


def _words(node: ast.AST) -> str:
    """Return the code on one line; of a whole `if` its condition."""
    return ast.unparse(node.test if isinstance(node, ast.If) else node)


def _places(node: ast.AST, *, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield what may be changed, outside of annotations, docstrings and decorators."""
    for name, value in ast.iter_fields(node):
        if name in _SILENT_FIELDS:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_silent(child):
                continue
            inside = function
            if isinstance(child, _NAMED):
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
        case ast.Call(ast.Name(name)):
            yield from _of_call(node, name)
        case ast.BoolOp(operator, values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield ast.BoolOp(other, values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Expr(ast.Call() | ast.Await()):
            yield ast.Pass()
        case ast.If(test, body, orelse) if not isinstance(test, ast.Compare):
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


def _of_call(node: ast.Call, name: str) -> Iterator[ast.AST]:
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
