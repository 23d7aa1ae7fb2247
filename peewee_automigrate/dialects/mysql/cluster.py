"""The nodes beside a server: Galera, or Group Replication with several primaries.

Enters: a session. Leaves: which of the two it is, why a node can't migrate, what steps cost there.
Sources: https://mariadb.com/kb/en/galera-cluster-status-variables/ and
https://dev.mysql.com/doc/refman/8.0/en/group-replication-multi-primary-mode.html. Group
Replication was not run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from peewee import PeeweeException

from ...changes import AddColumn, AddForeignKey, AddIndex, Step
from ...errors import AutoMigrateError

if TYPE_CHECKING:
    from .session import Mysql

Kind: TypeAlias = Literal["", "Galera", "group", "OceanBase"]
SYNCHRONOUS = {  # what makes reads wait for what other nodes have committed
    "Galera": ("wsrep_sync_wait", "15"),
    "group": ("group_replication_consistency", "'BEFORE'"),
    "OceanBase": ("ob_read_consistency", "'STRONG'"),
}
_VARIABLES = """
SHOW SESSION VARIABLES WHERE Variable_name IN (
  'wsrep_on', 'wsrep_osu_method', 'wsrep_provider', 'group_replication_single_primary_mode')"""
_STATUS = """
SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state_comment', 'wsrep_cluster_status')"""
_MEMBERS = """
SELECT MEMBER_ID = @@server_uuid, MEMBER_STATE FROM performance_schema.replication_group_members
WHERE MEMBER_ROLE = 'PRIMARY'"""
_ABORTS = "waits for nobody: transactions that hold the table on any node fail (1213)"
_READ_ONLY = """SHOW SESSION VARIABLES WHERE Variable_name IN (
  'read_only', 'super_read_only', 'innodb_read_only', 'tx_read_only', 'transaction_read_only')"""
# https://mariadb.com/kb/en/server-system-variables/#read_only
_MAY_WRITE = re.compile(r"(ALL PRIVILEGES|READ ONLY ADMIN|SUPER|CONNECTION_ADMIN)\b.* ON \*\.\*")


def kind(dialect: Mysql) -> Kind:
    """Read: tell how the server's writes reach nodes that take writes too, "" for not at all."""
    if dialect.settings.server == "OceanBase":  # which has variables of the others too
        return "OceanBase"
    known = _pairs(dialect, _VARIABLES)
    if known.get("wsrep_provider", "none") not in ("none", "") or known.get("wsrep_on") == "ON":
        return "Galera"
    is_group = known.get("group_replication_single_primary_mode") == "OFF"
    return "group" if is_group and len(_members(dialect) or (1, 1)) > 1 else ""


def read_only(dialect: Mysql) -> str:
    """Read: return why this session can't write, and what to do then; "" where it can."""
    found = {name for name, value in dialect.rows(_READ_ONLY) if value not in ("OFF", "0")}
    if "tx_read_only" in found or "transaction_read_only" in found:
        return "the session is READ ONLY; migrate over one that is READ WRITE"
    grants = dialect.rows("SHOW GRANTS") if found == {"read_only"} else ()
    if not found or any(_MAY_WRITE.search(grant) for (grant,) in grants):
        return ""
    return "the server is read_only, as a replica is; migrate over a URL of its primary"


def refuse(dialect: Mysql) -> None:
    """Read: raise `AutoMigrateError` for a node that is not one with the others just now."""
    if dialect.cluster == "Galera":
        problem = _galera_problem(_pairs(dialect, _VARIABLES), _pairs(dialect, _STATUS))
    else:
        state = next((state for is_own, state in _members(dialect) or () if is_own), "ONLINE")
        problem = "" if state == "ONLINE" else f"the member of the group is {state}"
    if dialect.cluster and problem:
        raise AutoMigrateError(f"{problem}. Nothing was changed.")


def _galera_problem(known: dict[str, str], status: dict[str, str]) -> str:
    """Return what keeps a node from migrating, "" for nothing."""
    state = status.get("wsrep_local_state_comment", "unknown")
    component = status.get("wsrep_cluster_status", "unknown")
    if (state, component.lower()) != ("Synced", "primary"):
        return (
            f"the node of the Galera cluster is {state}, its component {component}. "
            "Migrate over a node that is Synced, in the primary component"
        )
    if known.get("wsrep_on") != "ON":
        return "wsrep_on is OFF, so that other nodes would not get what is written here"
    method = known.get("wsrep_osu_method", "TOI").upper()
    if method != "TOI":
        return (
            f"wsrep_OSU_method is {method}, by which DDL stays on this node, and rows of the other "
            "ones no longer fit the table. Set it to TOI, then run again"
        )
    return ""


def _pairs(dialect: Mysql, sql: str) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in dialect.rows(sql)}


def _members(dialect: Mysql) -> list[tuple[bool, str]] | None:
    """Read a group's primaries: is it this one, its state; None to a role that may not know."""
    try:
        return [(bool(is_own), state) for is_own, state in dialect.rows(_MEMBERS)]
    except PeeweeException as error:
        if dialect.trouble(error) == "lost":
            raise
        return None


def told(dialect: Mysql, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Say what DDL does to a Galera cluster, where it has one place in the order of all writes
    (https://galeracluster.com/library/documentation/schema-upgrades.html).
    """
    if dialect.cluster != "Galera":
        return tuple(steps)
    slow = ("rewrites", "builds", "scans")
    long = {id(step) for step in steps if _alters(step) and step.rows and step.effect in slow}
    altered = {step.table: step for step in reversed(steps) if _alters(step)}
    return tuple(
        replace(
            step,
            blocks="every write in the cluster" if id(step) in long else step.blocks,
            reason=f"{step.reason}; {_ABORTS}" if altered.get(step.table) is step else step.reason,
        )
        for step in steps
    )


def _alters(step: Step) -> bool:
    is_key = isinstance(step.change, AddForeignKey) and not step.change.new_table
    return isinstance(step.change, AddColumn | AddIndex) or is_key
