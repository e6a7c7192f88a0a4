"""The doctor: finds what is wrong with an installation, and says what it means and what to do."""

from typing import Final

import msgspec

from server.doctor import address, cache, database, folder, machine, mail, service
from server.doctor.findings import Bounds, Check, Finding, Level, Look, Unseen
from sql.database import DatabaseDown

__all__ = ["Bounds", "Finding", "Level", "Look", "Report", "examine", "in_words"]

CHECKS: Final[tuple[Check, ...]] = (
    machine.python,
    machine.packages,
    machine.clock,
    machine.space,
    machine.sync,
    machine.open_files,
    folder.owner,
    folder.rights,
    folder.private,
    database.reached,
    database.settings,
    database.sessions,
    database.memory,
    database.schema,
    cache.cache,
    mail.sender,
    mail.smtp,
    address.public_url,
    address.answers,
    service.secrets,
    service.invented,
    service.drawn,
    service.mails,
    service.trash,
    service.backups,
)
_MARK: Final = {Level.WRONG: "✗", Level.ADVICE: "·"}


class Report(msgspec.Struct, frozen=True):
    """What was found, and what could not be looked at, by the name of the check."""

    findings: list[Finding]
    unseen: dict[str, str]

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong; advice may have been given."""
        return all(finding.level is not Level.WRONG for finding in self.findings)


async def examine(look: Look) -> Report:
    """Carry out all checks."""
    report = Report([], {})
    for check in CHECKS:
        try:
            report.findings.extend([finding async for finding in check(look)])
        except (Unseen, DatabaseDown) as reason:
            report.unseen[f"{check.__module__.rpartition('.')[2]}.{check.__name__}"] = str(reason)
    return report


def in_words(report: Report) -> str:
    """Return the report for people, the worst first."""
    lines = []
    for finding in sorted(report.findings, key=lambda finding: finding.level is Level.ADVICE):
        lines += [f"{_MARK[finding.level]} {finding.what}  [{finding.check}]", f"    {finding.meaning}"]
        lines += [f"    → {finding.remedy}", ""]
    for check, reason in report.unseen.items():
        lines.append(f"? Not looked at: {check}: {reason}.")
    wrong = sum(finding.level is Level.WRONG for finding in report.findings)
    advice = len(report.findings) - wrong
    lines.append(f"{len(CHECKS)} checks: {wrong or 'nothing'} wrong" + (f", {advice} to consider." if advice else "."))
    return "\n".join(lines)
