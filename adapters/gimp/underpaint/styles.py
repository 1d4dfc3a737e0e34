"""The row that chooses a style: a named set of settings that the daemon keeps, for every editor alike.

Choosing one puts its settings into the config, where the other controls show them. Saving asks for the name in the place
of the list, so that no further dialog is needed; deleting leaves what is shown as it is, so that saving it again brings
the style back.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402

from arguments import ASKED_ANEW, arguments_of, settings_of, values_of  # noqa: E402
from aside import Aside  # noqa: E402
from picture import Sorry  # noqa: E402
from reuse import is_past  # noqa: E402
from sentences import sentence  # noqa: E402
from underpaint_client import ProtocolError  # noqa: E402
from widgets import dim, short, tool  # noqa: E402

NO_STYLE = "No style"
NAME_LENGTH = 64


class Styles(Gtk.Box):
    """The list, the buttons that save and delete, and a line for what comes of them."""

    def __init__(self, config, styles):
        """`styles` as the daemon lists them."""
        super().__init__(orientation=Gtk.Orientation.VERTICAL, hexpand=True)
        self._config, self._value, self._settings = config, values_of(config), {}
        self._aside = None
        self._box = self.focus = Gtk.ComboBoxText(hexpand=True, tooltip_text="Model, steps, guidance and filters under one name")
        short(self._box)
        self._name = Gtk.Entry(hexpand=True, placeholder_text="Name of the style, then Return", max_length=NAME_LENGTH, no_show_all=True)
        self._line = dim()
        self._line.set_no_show_all(True)
        self._remove = tool("edit-delete-symbolic", "Delete the style", self._delete)
        line = Gtk.Box(spacing=2)
        for widget in (self._box, self._name):
            line.pack_start(widget, True, True, 0)
        for widget in (tool("document-save-symbolic", "Save model, steps, guidance and filters as a style", self._ask), self._remove):
            line.pack_start(widget, False, False, 0)
        for widget in (line, self._line):
            self.pack_start(widget, False, False, 0)
        self._offer(styles)
        if self._value("style") not in self._settings:
            config.set_property("style", "")
        self._follow()
        config.connect("notify::style", self._follow)
        self._box.connect("changed", self._chosen)
        self._name.connect("activate", self._named)
        self._name.connect("key-press-event", self._key)
        self.connect("destroy", lambda _: self._aside and self._aside.close())

    def _offer(self, styles):
        self._settings = {style["name"]: style.get("settings") or {} for style in styles}
        titles = {style["name"]: style.get("title") or style["name"] for style in styles}
        self._box.remove_all()
        self._box.append("", NO_STYLE)
        for name in sorted(titles, key=lambda name: (not is_past(name), titles[name].lower())):
            self._box.append(name, titles[name])

    def _follow(self, *_):
        name = self._value("style")
        self._box.set_active_id(name)
        self._remove.set_sensitive(bool(name) and not is_past(name))

    def _chosen(self, _box):
        name = self._box.get_active_id()
        if name is None or name == self._value("style"):
            return  # the list is made anew, or it is the config's doing, not the painter's
        self._config.set_property("style", name)
        if name:
            for argument, value in arguments_of(self._settings[name]).items():
                self._config.set_property(argument, value)
        self._say("")

    def _say(self, words):
        self._line.set_text(words)
        self._line.set_visible(bool(words))

    # Saving and deleting

    def _ask(self):
        if self._name.get_visible():
            self._named()
            return
        self._box.hide()
        self._name.set_text("" if is_past(self._value("style")) else self._value("style"))
        self._name.show()
        self._name.grab_focus()

    def _key(self, _name, event):
        """Escape leaves the name, not the dialog."""
        if event.keyval == Gdk.KEY_Escape:
            self._ask_no_more()
            return True
        return False

    def _ask_no_more(self):
        self._name.hide()
        self._box.show()
        self._box.grab_focus()

    def _named(self, *_):
        name = " ".join(self._name.get_text().split())
        self._ask_no_more()
        if not name:
            return
        try:
            style = self._value("style")
            chosen = self._settings.get(style, {})
            if is_past(style):
                chosen = {name: value for name, value in chosen.items() if name not in ASKED_ANEW}
            settings = settings_of(self._value, chosen)
        except Sorry as why:
            self._say(str(why))
            return
        self._keep("styles/put", {"name": name, "settings": settings}, name, "“%s” was saved." % name)

    def _delete(self):
        name = self._value("style")
        self._keep("styles/remove", {"name": name}, "", "“%s” was deleted; what it set is still shown." % name)

    def _keep(self, method, params, afterwards, words):
        """Tells the daemon, shows its list anew with the style `afterwards` chosen, and says how it went."""
        def work(client):
            client.call(method, params)
            return client.call("styles/list")

        def came(styles, error):
            if isinstance(error, ProtocolError):
                self._say("This is too much for a style: a filter in the chain holds a long text.")
            elif error is not None:
                self._say(sentence(error))
            else:
                self._config.set_property("style", afterwards)
                self._offer(styles)
                self._follow()
                self._say(words)
        self._aside = self._aside or Aside()
        self._aside.ask(work, came)
