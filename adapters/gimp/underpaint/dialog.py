"""The dialog before a job."""
import gi
gi.require_version("GimpUi", "3.0")
from gi.repository import GimpUi

def ask(procedure, config, action, image):
    GimpUi.init("underpaint")
    d = GimpUi.ProcedureDialog.new(procedure, config, "x")
    d.fill(None)
    ok = d.run(); d.destroy(); return ok
