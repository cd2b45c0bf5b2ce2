"""What a named fault is: which primitives, and which action of a user brings it to light."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.core.errors import UsageError

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

Result = dict[str, Any]
Exercise = Callable[["Sandbox"], Result]


@dataclass(frozen=True)
class Step:
    """One use of a primitive. An argument that is a function is asked for its value once the sandbox is up."""

    primitive: str
    arguments: Mapping[str, Any]

    def apply(self, sandbox: "Sandbox") -> None:
        """Use it."""
        given = {name: value(sandbox) if callable(value) else value for name, value in self.arguments.items()}
        sandbox.inject(self.primitive, **given)


def address_of(part: str) -> Callable[["Sandbox"], str]:
    """A step's argument: where a part answers."""
    return lambda sandbox: sandbox.endpoints[part]


def use(primitive: str, **arguments: Any) -> Step:
    """A step: `use("dial", of="openai", field="mode", value="overloaded")`."""
    return Step(primitive, arguments)


def visit(action: str = "chat", **how: Any) -> Exercise:
    """A user's action, as `Sandbox.visit` takes it."""

    def act(sandbox: "Sandbox") -> Result:
        return {**sandbox.visit(action, **how), "who": {name: how[name] for name in ("user", "org") if how.get(name)}}

    return act


def no_action(_sandbox: "Sandbox") -> Result:
    """No user is needed to bring the fault to light."""
    return {}


@dataclass(frozen=True)
class Variant:
    """One way to bring a cause about, and what a user does to run into it.

    Attributes:
        steps: primitives, in order.
        exercise: returns what the user got, as `Sandbox.visit` does; `request_id` None where the answer showed none.
        needs: options of `Sandbox.up` without which it would be another fault, or none; empty where any sandbox will do.
        settings: what the runbook must be told for it to be this fault, where the sandbox's own settings say otherwise.
    """

    steps: tuple[Step, ...] = ()
    exercise: Exercise = field(default_factory=visit)
    needs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def unmet_needs(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of its needs that a sandbox of these options does not meet."""
        return {name: value for name, value in self.needs.items() if options.get(name) != value}


@dataclass(frozen=True)
class Fault:
    """A cause that can be brought about. Called with a sandbox it breaks that sandbox.

    Attributes:
        code: the cause's code.
        variants: the ways to bring it about by name; the first is the usual one.
    """

    code: str
    variants: Mapping[str, Variant]

    def __call__(self, sandbox: "Sandbox", variant: str = "") -> None:
        """Break the sandbox in this variant; without, in the first one that it can carry.

        Raises:
            UsageError: an unknown variant, or a sandbox that cannot carry it; nothing is broken then.
        """
        chosen = self.variant(self.fitting_variant(sandbox, variant))
        for step in chosen.steps:
            step.apply(sandbox)
        if chosen.settings:
            sandbox.tell_runbook(chosen.settings)

    def exercise(self, sandbox: "Sandbox", variant: str = "") -> Result:
        """Do what a user does to run into it, and return what that user got. Raises UsageError as breaking does."""
        return self.variant(self.fitting_variant(sandbox, variant)).exercise(sandbox)

    def fitting_variant(self, sandbox: "Sandbox", variant: str = "") -> str:
        """The name of the variant that breaking it there would use.

        Raises:
            UsageError: an unknown variant, or the sandbox is of a kind in which the fault would not be itself.
        """
        asked = {variant: self.variant(variant)} if variant else self.variants
        for name, each in asked.items():
            if not each.unmet_needs(sandbox.options):
                return name
        unmet = next(iter(asked.values())).unmet_needs(sandbox.options)
        here = f"--name {sandbox.name}"
        raise UsageError(
            f"{self.code}{f' in its variant {variant}' if variant else ''} cannot be brought about in this sandbox",
            where=f"sandbox {sandbox.name}",
            came_back=f"it needs {_listed(unmet)}; this one has {_listed({key: sandbox.options.get(key) for key in unmet})}",
            do_next=f"Bring one that can carry it: runbook sandbox down {here} && "
            f"runbook sandbox up {here} {' '.join(_flag(*each) for each in unmet.items())}",
        )

    def variant(self, name: str = "") -> Variant:
        """A variant by name; the usual one without. Raises UsageError for an unknown one."""
        if not name:
            return next(iter(self.variants.values()))
        if name not in self.variants:
            raise UsageError(f"{self.code} has no variant {name}", do_next="Known: " + ", ".join(self.variants) + ".")
        return self.variants[name]


def fault(
    code: str,
    *steps: Step,
    by: Exercise | None = None,
    needs: Any = None,
    runbook_settings: Any = None,
    **others: Variant,
) -> Fault:
    """A fault with its usual variant, and other ones by name.

    `needs` and `runbook_settings` are the usual one's (see `Variant`); the others have their own.
    """
    return Fault(code, {"usual": Variant(steps, by or visit(), needs or {}, runbook_settings or {}), **others})


def alias(code: str, of: Fault) -> Fault:
    """A cause whose narrower cases are all there is: broken by the usual one of them."""
    return Fault(code, of.variants)


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_word(value)}" for name, value in options.items())


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _flag(name: str, value: Any) -> str:
    """An option of `Sandbox.up` as the command line takes it."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag} {value}"
