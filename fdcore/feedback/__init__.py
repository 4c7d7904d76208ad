"""Who writes feedback on an attempt. Importing the package registers every producer by its name."""

from fdcore.feedback import claude, sources
from fdcore.feedback.scripted import ScriptedExpert

sources.PRODUCERS["claude"] = lambda source: claude.Claude(source.settings, source.folder)
sources.PRODUCERS["scripted"] = lambda source: ScriptedExpert(
    source.seed, source.settings.formulation
)
