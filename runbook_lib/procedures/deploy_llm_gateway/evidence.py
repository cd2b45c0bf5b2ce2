"""What was seen of the gateway: its image here, and the platform that it runs on."""

from dataclasses import dataclass

from runbook_lib.core.model import Observation
from runbook_lib.core.records.gateway import ChainSetting
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.deploy_llm_gateway.causes import BUILD
from runbook_lib.procedures.deploy_llm_gateway.image import Image, read_image
from runbook_lib.procedures.deployments import evidence as deployments
from runbook_lib.procedures.deployments.reading import read


@dataclass(frozen=True)
class Evidence(deployments.Evidence):
    """Everything that 07 looked at.

    Attributes:
        may_build: whether a build was asked for. regions: those that should serve, where somebody named them.
        chain: the gateway's chain of providers, where it is known.
    """

    may_build: bool = False
    regions: tuple[str, ...] = ()
    dockerfile: Observation | None = None
    engine: Observation | None = None
    built: Observation | None = None
    chain: Observation | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """What the run was asked for, see `Cause.questions`."""
        return (*super().asked, BUILD) if self.may_build else super().asked

    @property
    def providers(self) -> list[str] | None:
        """The providers of the chain, in order; None where it is not known."""
        setting = whole_record(self.chain, ChainSetting)
        if setting is None:
            return None
        return [member.strip().partition("/")[0] for member in setting["chain"].split(",") if "/" in member]

    @property
    def image(self) -> Image | None:
        """The Dockerfile's image, under the start command that the platform may put in place of its own."""
        services = (read(site).railway_service for site in self.sites)
        starts = (service["start_command"] for service in services if service is not None)
        return read_image(self.dockerfile, next((start for start in starts if start), ""))
