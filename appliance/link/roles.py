"""Who may do what: UNIX groups to roles."""

from __future__ import annotations

import grp
import os
import pwd
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.config import RoleSettings


class Role(IntEnum):
    """Each role may do what the ones below it may."""

    VIEWER = 0
    OPERATOR = 1
    MAINTAINER = 2
    SUPERVISOR = 3


def role_resolver(roles: RoleSettings) -> Callable[[int, int], Role]:
    """Return the function (uid, gid) → role for peers of a socket.

    Root and the user we run as are supervisors; others have the highest role that
    one of their groups gives, or none but viewer.
    """
    groups = (
        (Role.SUPERVISOR, frozenset(roles.supervisor)),
        (Role.MAINTAINER, frozenset(roles.maintainer)),
        (Role.OPERATOR, frozenset(roles.operator)),
    )

    def role_of(uid: int, gid: int) -> Role:
        if uid in {0, os.getuid()}:
            return Role.SUPERVISOR
        names = groups_of(uid, gid)
        for role, members in groups:
            if names & members:
                return role
        return Role.VIEWER

    return role_of


def process_user(process: str) -> str:
    """Return the UNIX user as whom a gateway runs one of our processes."""
    return f"wheeltapper-{process}"


def user_name(uid: int) -> str:
    """Return the UNIX user's name, or `uid:N` where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


def groups_of(uid: int, gid: int) -> frozenset[str]:
    """Return the names of the groups of a user (unknown ones are left out)."""
    try:
        numbers = {gid, *os.getgrouplist(user_name(uid), gid)}
    except OSError:
        numbers = {gid}
    names = set()
    for number in numbers:
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return frozenset(names)
