"""The read side of a request as one SQL query: columns, embedded resources, conditions, order and range.

Every embedded resource becomes a lateral join; to-one as a row turned to JSON, to-many as an aggregated array.
"""

from dataclasses import dataclass, field

from runbook_lib.sandbox.facades.postgrest import grammar
from runbook_lib.sandbox.facades.postgrest.cache import Snapshot, Table
from runbook_lib.sandbox.facades.postgrest.errors import RestError
from runbook_lib.sandbox.facades.postgrest.parameters import Parameters, Path
from runbook_lib.sandbox.facades.postgrest.relationships import Name, Relationship, find
from runbook_lib.sandbox.facades.postgrest.sql import (
    Values,
    condition_sql,
    field_sql,
    ident,
    order_sql,
    range_sql,
    text_literal,
)


@dataclass
class Node:
    """One table of the query: the root, or an embedded resource. `source` is what stands after FROM, `qualifier` names it."""

    name: Name
    table: Table | None
    source: str
    qualifier: str
    path: Path
    children: list["Embedded"] = field(default_factory=list)


@dataclass
class Embedded:
    """An embedded resource: what was asked, how it hangs together, its own node and the alias of its join."""

    asked: grammar.SelectEmbed
    relationship: Relationship
    node: Node
    alias: str


class ReadQuery:
    """Builds the SQL of one read. `root_source` is the table itself, or the written rows of a write."""

    def __init__(
        self, snapshot: Snapshot, parameters: Parameters, name: Name, values: Values, root_source: str | None = None
    ) -> None:
        self._snapshot = snapshot
        self._parameters = parameters
        self._values = values
        source = root_source or ident(*name)
        self.root = Node(name, snapshot.tables.get(name), source, source, ())
        self._embed(self.root, parameters.select)
        self._check_paths()

    def _embed(self, node: Node, items: tuple[grammar.SelectItem, ...]) -> None:
        for item in items:
            if not isinstance(item, grammar.SelectEmbed):
                continue
            relationship = find(self._snapshot.relationships, node.name, item.target, item.hint)
            depth = len(node.path) + 1
            alias = f"{relationship.foreign[1]}_{depth}"
            child = Node(
                relationship.foreign,
                self._snapshot.tables.get(relationship.foreign),
                f"{ident(*relationship.foreign)} as {ident(alias)}",
                ident(alias),
                (*node.path, item.name),
            )
            # the same resource twice under one name is Postgres' 42712, here as at the vendor
            node.children.append(Embedded(item, relationship, child, f"{node.name[1]}_{item.name}_{depth}"))
            self._embed(child, item.items)

    def _check_paths(self) -> None:
        known = set(_paths(self.root))
        asked = (self._parameters.conditions, self._parameters.order, self._parameters.limit, self._parameters.offset)
        for path in {path for part in asked for path in part}:
            if path not in known:
                missing = next(name for depth, name in enumerate(path) if path[: depth + 1] not in known)
                raise RestError(
                    400,
                    "PGRST108",
                    f"'{missing}' is not an embedded resource in this request",
                    hint=f"Verify that '{missing}' is included in the 'select' query parameter.",
                )

    def sql(self, *, conditions: bool = True, default_limit: int | None = None) -> str:
        """The whole query; `conditions` False leaves the root's own out (they were applied by a write)."""
        return self._node_sql(self.root, self._parameters.select, "", conditions, default_limit)

    def count_sql(self) -> str:
        """A query with one row per row that the conditions let through, for counting."""
        node = self.root
        joins = "".join(self._join(child) for child in node.children if child.asked.inner or self._asked_for(child))
        where = self._where(node, "", True)
        return f"select 1 from {node.source}{joins}{where}"

    def needed_columns(self) -> list[str]:
        """The root's columns that the read needs: what a write must return. `*` stands for all."""
        needed: dict[str, None] = {}
        for item in self._parameters.select:
            if isinstance(item, grammar.SelectField):
                needed[item.field.name] = None
        for child in self.root.children:
            needed.update((ours, None) for ours, _ in child.relationship.columns)
        needed.update((term.field.name, None) for term in self._parameters.order.get((), []) if not term.embed)
        return ["*"] if "*" in needed else list(needed)

    def _asked_for(self, child: Embedded) -> bool:
        return any(_mentions(c, child.asked.name) for c in self._parameters.conditions.get(self.root.path, []))

    def _node_sql(
        self,
        node: Node,
        items: tuple[grammar.SelectItem, ...],
        joined_on: str,
        conditions: bool = True,
        default_limit: int | None = None,
    ) -> str:
        ordered = sorted(items, key=lambda item: isinstance(item, grammar.SelectEmbed))  # own columns come first
        columns = [self._item_sql(node, item) for item in ordered]
        selected = ", ".join(c for c in columns if c) or (f"{node.qualifier}.*" if joined_on else "")
        joins = "".join(self._join(child) for child in node.children)
        where = self._where(node, joined_on, conditions)
        order = self._order(node)
        limit, offset = self._parameters.limit.get(node.path), self._parameters.offset.get(node.path)
        if default_limit is not None:
            limit = default_limit if limit is None else min(limit, default_limit)
        group = self._group(node, items)
        window = range_sql(limit, offset, self._values)
        return f"select {selected} from {node.source}{joins}{where}{group}{order}{window}"

    def _item_sql(self, node: Node, item: grammar.SelectItem) -> str:
        if isinstance(item, grammar.SelectField):
            return self._field_sql(node, item)
        child = next(c for c in node.children if c.asked is item)
        alias = ident(child.alias)
        if item.spread:
            return ", ".join(f"{alias}.{ident(_key(i))}" for i in item.items if not _is_star(i)) or f"{alias}.*"
        if not _has_output(item):
            return ""
        if child.relationship.to_one:
            return f"row_to_json({alias}.*)::jsonb as {ident(item.name)}"
        return f"coalesce({alias}.{alias}, '[]') as {ident(item.name)}"

    def _field_sql(self, node: Node, item: grammar.SelectField) -> str:
        if item.aggregate and not self._snapshot.settings.aggregates_enabled:
            raise RestError(400, "PGRST123", "Use of aggregate functions is not allowed")
        text = field_sql(node.qualifier, item.field, node.table)
        if item.aggregate:
            text = "count(*)" if item.field.name == "*" else f"{item.aggregate}({text})"
        if item.cast:
            text = f"cast({text} as {_type_name(item.cast)})"
        if item.field.name == "*" and not item.aggregate:
            return text
        return f"{text} as {ident(_key(item))}"

    def _group(self, node: Node, items: tuple[grammar.SelectItem, ...]) -> str:
        fields = [i for i in items if isinstance(i, grammar.SelectField)]
        if not any(i.aggregate for i in fields):
            return ""
        plain = [field_sql(node.qualifier, i.field, node.table) for i in fields if not i.aggregate]
        return f" group by {', '.join(plain)}" if plain else ""

    def _join(self, child: Embedded) -> str:
        alias, relationship = ident(child.alias), child.relationship
        parent = self._parent_of(child).qualifier
        if relationship.kind == "m2m":
            assert relationship.junction is not None
            junction = ident(*relationship.junction)
            child.node.source = f"{ident(*relationship.foreign)} as {child.node.qualifier}, {junction}"
            pairs = [f"{junction}.{ident(b)} = {parent}.{ident(a)}" for a, b in relationship.columns]
            pairs += [f"{junction}.{ident(a)} = {child.node.qualifier}.{ident(b)}" for a, b in relationship.far_columns]
        else:
            pairs = [f"{child.node.qualifier}.{ident(b)} = {parent}.{ident(a)}" for a, b in relationship.columns]
        inner = self._node_sql(child.node, child.asked.items, " and ".join(pairs))
        kind = "inner" if child.asked.inner else "left"
        if relationship.to_one:
            return f" {kind} join lateral ({inner}) as {alias} on true"
        if child.asked.spread:
            return f" {kind} join lateral ({self._gathered(child, inner)}) as {alias} on true"
        many = f"select json_agg({alias})::jsonb as {alias} from ({inner}) as {alias}"
        condition = f"{alias}.{alias} is not null" if child.asked.inner else "true"
        return f" {kind} join lateral ({many}) as {alias} on {condition}"

    def _gathered(self, child: Embedded, inner: str) -> str:
        """A to-many resource spread into its parent: each of its columns as one array."""
        alias, keys = ident(child.alias), list[str]()
        for item in child.asked.items:
            keys += list(child.node.table.columns) if _is_star(item) and child.node.table else [_key(item)]
        columns = ", ".join(f"coalesce(json_agg({alias}.{ident(k)}), '[]')::jsonb as {ident(k)}" for k in keys)
        having = " having count(*) > 0" if child.asked.inner else ""
        return f"select {columns} from ({inner}) as {alias}{having}"

    def _parent_of(self, child: Embedded) -> Node:
        path = child.node.path[:-1]
        return next(node for node in _nodes(self.root) if node.path == path and child in node.children)

    def _where(self, node: Node, joined_on: str, conditions: bool) -> str:
        embeds = {
            c.asked.name: ident(c.alias) if c.relationship.to_one else f"{ident(c.alias)}.{ident(c.alias)}"
            for c in node.children
        }
        parts = [joined_on] if joined_on else []
        if conditions:
            parts += [
                condition_sql(c, node.qualifier, node.table, self._values, embeds)
                for c in self._parameters.conditions.get(node.path, [])
            ]
        return f" where {' and '.join(parts)}" if parts else ""

    def _order(self, node: Node) -> str:
        terms = []
        for term in self._parameters.order.get(node.path, []):
            if term.embed is None:
                terms.append(order_sql(term, node.qualifier, node.table))
                continue
            child = next((c for c in node.children if c.asked.name == term.embed), None)
            if child is None:
                raise RestError(
                    400,
                    "PGRST108",
                    f"'{term.embed}' is not an embedded resource in this request",
                    hint=f"Verify that '{term.embed}' is included in the 'select' query parameter.",
                )
            if not child.relationship.to_one:
                raise RestError(
                    400,
                    "PGRST118",
                    f"A related order on '{term.embed}' is not possible",
                    f"'{node.name[1]}' and '{term.embed}' do not form a many-to-one or one-to-one relationship",
                )
            terms.append(order_sql(term, ident(child.alias), None))
        return f" order by {', '.join(terms)}" if terms else ""


def _nodes(node: Node) -> list[Node]:
    return [node, *(n for child in node.children for n in _nodes(child.node))]


def _paths(node: Node) -> list[Path]:
    return [n.path for n in _nodes(node)]


def _mentions(condition: grammar.Condition, name: str) -> bool:
    if isinstance(condition, grammar.Logic):
        return any(_mentions(child, name) for child in condition.children)
    return condition.field.name == name


def _has_output(item: grammar.SelectItem) -> bool:
    """Whether an item leaves anything in the answer: an embed of nothing does not."""
    return not isinstance(item, grammar.SelectEmbed) or any(_has_output(i) for i in item.items)


def _is_star(item: grammar.SelectItem) -> bool:
    return isinstance(item, grammar.SelectField) and item.field.name == "*" and not item.aggregate


def _key(item: grammar.SelectItem) -> str:
    """The key under which an item appears: its alias, its aggregate, the last named step of its JSON path, or its name."""
    if isinstance(item, grammar.SelectEmbed):
        return item.name
    if item.alias:
        return item.alias
    if item.aggregate:
        return item.aggregate
    keys = [key for _, key in item.field.path if not key.removeprefix("-").isdigit()]
    return keys[-1] if keys else item.field.name


def _type_name(text: str) -> str:
    """A type in a cast, as PostgREST takes it: letters, digits, spaces, brackets; anything else is quoted away."""
    plain = all(c.isalnum() or c in '_ []".' for c in text)
    return text.replace("%", "") if plain else text_literal(text)
