"""The controls of a filter's parameters: each is made from its entry in the schema, holds one JSON value and tells when the
painter changed it. `CONTROLS` has one for every type there is."""

import math
import os
import random

from .qt import QtCore, QtGui, QtWidgets, guarded
from .widgets import Box, LayerBox, calm, column, row, tool

SLIDER_STEPS = 2000
"""The most positions of a slider; a spin box beside it takes every value."""
SEED_MAX = (1 << 32) - 1
SHOWN_TEXT = 4096
"""Longer texts (tables of colours, mostly) are told, not shown: an editor with a megabyte blocks the event loop."""
NUMBER_WIDTH = 78
NO_LAYER = "none"


class _Control(QtWidgets.QWidget):
    TALL = False
    """Whether it needs the whole width, below its label."""

    changed = QtCore.pyqtSignal()
    said = QtCore.pyqtSignal(str)

    def __init__(self, described):
        super().__init__()
        self._default = described.get("default")
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self._quiet = False

    def reset(self):
        """To the default, untold."""
        self.put(self._default)

    def put(self, value):
        """Shows `value`, untold. Returns False, and stays as it was, if the parameter cannot have it."""
        if not self._fits(value):
            return False
        self._quiet = True
        try:
            self._show_value(value)
        finally:
            self._quiet = False
        return True

    @guarded
    def _touched(self, *_):
        if not self._quiet:
            self.changed.emit()


class _Number(_Control):
    """A slider and a spin box."""

    def __init__(self, param):
        super().__init__(param)
        self._whole = param["type"] == "int"
        self._min, self._max = param["min"], param["max"]
        step = max(param.get("step") or 0, 1 if self._whole else 1e-6)
        if self._whole:
            self._spin = QtWidgets.QSpinBox()
        else:
            self._spin = QtWidgets.QDoubleSpinBox()
            self._spin.setDecimals(_decimals(step, self._min, self._max, self._default))
        self._spin.setRange(self._min, self._max)
        self._spin.setSingleStep(step)
        self._spin.setFixedWidth(NUMBER_WIDTH)
        unit = param.get("unit") or ""
        self._spin.setSuffix(unit if unit in ("", "°") else " " + unit)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, max(1, min(SLIDER_STEPS, round((self._max - self._min) / step))))
        self._slider.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        line = row(self, 4)
        line.addWidget(self._slider, 1)
        line.addWidget(self._spin)
        calm(self._slider)
        calm(self._spin)
        self._slider.valueChanged.connect(self._slid)
        self._spin.valueChanged.connect(self._typed)

    @guarded
    def _slid(self, position):
        share = position / self._slider.maximum()
        value = self._min + share * (self._max - self._min)
        self._spin.setValue(round(value) if self._whole else value)

    @guarded
    def _typed(self, value):
        span = self._max - self._min
        self._slider.blockSignals(True)
        self._slider.setValue(round((value - self._min) / span * self._slider.maximum()) if span else 0)
        self._slider.blockSignals(False)
        self._touched()

    def value(self):
        """A JSON number."""
        return self._spin.value()

    def _fits(self, value):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self._min <= value <= self._max

    def _show_value(self, value):
        self._spin.setValue(round(value) if self._whole else value)


def _decimals(*numbers):
    """How many decimals show all of these, at most 6."""
    for digits in range(6):
        if all(math.isclose(round(number, digits), number, rel_tol=1e-6, abs_tol=1e-9) for number in numbers):
            return digits
    return 6


class _Switch(_Control):
    def __init__(self, param):
        super().__init__(param)
        self._box = QtWidgets.QCheckBox()
        row(self).addWidget(self._box)
        self._box.toggled.connect(self._touched)

    def value(self):
        """A JSON boolean."""
        return self._box.isChecked()

    def _fits(self, value):
        return isinstance(value, bool)

    def _show_value(self, value):
        self._box.setChecked(value)


class _Choice(_Control):
    def __init__(self, param):
        super().__init__(param)
        self._box = Box()
        for choice in param.get("choices") or ():
            self._box.addItem(choice.get("label") or choice["name"], choice["name"])
        row(self).addWidget(self._box)
        self._box.currentIndexChanged.connect(self._touched)

    def value(self):
        """The choice's name."""
        return self._box.currentData()

    def _fits(self, value):
        return isinstance(value, str) and self._box.findData(value) >= 0

    def _show_value(self, value):
        self._box.setCurrentIndex(self._box.findData(value))


class _Colour(_Control):
    """A swatch that opens Qt's dialog for colours, which shows each colour at once and gives the old one back on
    Cancel."""

    def __init__(self, param):
        super().__init__(param)
        self._colour = QtGui.QColor()
        self._dialog = None
        self._button = QtWidgets.QPushButton()
        self._button.setIconSize(QtCore.QSize(48, 14))
        self._button.clicked.connect(guarded(lambda *_: self._choose()))
        row(self).addWidget(self._button)

    def _choose(self):
        before = self._colour
        self._dialog = dialog = QtWidgets.QColorDialog(self._colour, self.window())
        dialog.setObjectName("underpaint_colour_dialog")
        dialog.setOption(QtWidgets.QColorDialog.ColorDialogOption.ShowAlphaChannel)
        dialog.setOption(QtWidgets.QColorDialog.ColorDialogOption.DontUseNativeDialog)
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.currentColorChanged.connect(guarded(self._take))
        dialog.rejected.connect(guarded(lambda: self._take(before)))
        dialog.open()

    def _take(self, colour):
        self._show_value(_hex(colour))
        self._touched()

    def value(self):
        """`#rrggbb`, or `#rrggbbaa` where it is not opaque."""
        return _hex(self._colour)

    def _fits(self, value):
        return _colour(value) is not None

    def _show_value(self, value):
        self._colour = _colour(value)
        size = self._button.iconSize()
        picture = QtGui.QPixmap(size)
        painter = QtGui.QPainter(picture)
        painter.fillRect(picture.rect(), QtGui.QColor(255, 255, 255))
        painter.fillRect(picture.rect(), QtGui.QBrush(QtGui.QColor(160, 160, 160), QtCore.Qt.BrushStyle.Dense4Pattern))
        painter.fillRect(picture.rect(), self._colour)
        painter.end()
        self._button.setIcon(QtGui.QIcon(picture))
        self._button.setText(_hex(self._colour))


def _hex(colour):
    name = colour.name(QtGui.QColor.NameFormat.HexRgb)
    return name if colour.alpha() == 255 else "%s%02x" % (name, colour.alpha())


def _colour(text):
    """A QColor, or None if `text` is neither `#rrggbb` nor `#rrggbbaa`."""
    digits = text[1:] if isinstance(text, str) and text.startswith("#") else ""
    if len(digits) not in (6, 8) or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        return None
    return QtGui.QColor(*bytes.fromhex(digits))


class _Line(_Control):
    """Text on one line."""

    def __init__(self, param):
        super().__init__(param)
        self._most = param.get("max_bytes") or 0
        self._edit = QtWidgets.QLineEdit()
        self._edit.setMaxLength(max(1, self._most))
        row(self).addWidget(self._edit)
        self._edit.textChanged.connect(self._touched)

    def value(self):
        """A text of at most so many bytes as the filter takes."""
        return _cut(self._edit.text(), self._most)

    def _fits(self, value):
        return isinstance(value, str) and len(value.encode("utf-8", "replace")) <= self._most

    def _show_value(self, value):
        self._edit.setText(value)


def _cut(text, most):
    """The text's beginning that has at most `most` bytes."""
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")


class _Lines(_Control):
    """Text on several lines, which may come from a file."""

    TALL = True

    def __init__(self, param):
        super().__init__(param)
        self._most, self._label = param.get("max_bytes") or 0, param.get("label") or param["name"]
        self._long = None
        self._dialog = None
        self._edit = QtWidgets.QPlainTextEdit()
        self._edit.setTabChangesFocus(True)
        self._edit.setLineWrapMode(QtWidgets.QPlainTextEdit.LineWrapMode.NoWrap)
        self._edit.setFixedHeight(self._edit.fontMetrics().lineSpacing() * 3 + 12)
        self._clear = QtWidgets.QPushButton("Clear")
        self._clear.clicked.connect(guarded(lambda *_: self._take("")))
        load = QtWidgets.QPushButton("Load…")
        load.clicked.connect(guarded(lambda *_: self._choose()))
        lines = column(self, 2)
        lines.addWidget(self._edit)
        buttons = QtWidgets.QWidget()
        line = row(buttons, 4)
        line.addStretch(1)
        line.addWidget(self._clear)
        line.addWidget(load)
        lines.addWidget(buttons)
        self._edit.textChanged.connect(self._touched)

    def _choose(self):
        self._dialog = dialog = QtWidgets.QFileDialog(self.window(), self._label)
        dialog.setFileMode(QtWidgets.QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(guarded(self.load))
        dialog.open()

    def load(self, path):
        """Takes a file's text; says why if it cannot."""
        name = os.path.basename(path)
        try:
            with open(path, "rb") as file:
                data = file.read(self._most + 1)
            text = data.decode("utf-8-sig")
        except OSError as error:
            self.said.emit("%s cannot be read: %s." % (name, error.strerror))
        except UnicodeDecodeError:
            self.said.emit("%s is not a text in UTF-8." % name)
        else:
            if len(data) > self._most:
                self.said.emit("%s is too long: “%s” takes at most %d KiB." % (name, self._label, self._most // 1024))
            else:
                self._take(text)

    def _take(self, text):
        self.put(text)
        self._touched()

    def value(self):
        """A text of at most so many bytes as the filter takes."""
        return self._long if self._long is not None else _cut(self._edit.toPlainText(), self._most)

    _fits = _Line._fits

    def _show_value(self, value):
        self._long = value if len(value) > SHOWN_TEXT else None
        self._edit.setReadOnly(self._long is not None)
        if self._long is None:
            self._edit.setPlainText(value)
        else:
            head = "\n".join(value[:400].split("\n")[:2])
            self._edit.setPlainText("%s\n… %d lines, %d KiB" % (head, value.count("\n") + 1, len(value) // 1024))


class _Seed(_Control):
    """A whole number and a die."""

    def __init__(self, param):
        super().__init__(param)
        self._spin = QtWidgets.QDoubleSpinBox()  # Qt's whole numbers end at 2^31
        self._spin.setDecimals(0)
        self._spin.setRange(0, SEED_MAX)
        self._spin.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        dice = tool(None, "⚄", "Draw another", lambda: self._spin.setValue(random.randrange(SEED_MAX + 1)))
        font = dice.font()
        font.setPointSizeF(font.pointSizeF() * 1.6)
        dice.setFont(font)
        line = row(self, 4)
        line.addWidget(self._spin, 1)
        line.addWidget(dice)
        calm(self._spin)
        self._spin.valueChanged.connect(self._touched)

    def value(self):
        """A whole number."""
        return int(self._spin.value())

    def _fits(self, value):
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SEED_MAX

    def _show_value(self, value):
        self._spin.setValue(value)


class Layer(_Control):
    """A layer of the document, looked up anew whenever the list is opened."""

    def __init__(self, given, layers):
        super().__init__({"default": ""})
        self._box = LayerBox(layers, NO_LAYER)
        row(self).addWidget(self._box)
        self._box.currentIndexChanged.connect(self._touched)

    def value(self):
        """The layer's id, empty for none."""
        return self._box.layer()

    def _fits(self, value):
        return isinstance(value, str)

    def _show_value(self, value):
        self._box.show_layer(value)


CONTROLS = {
    "float": _Number, "int": _Number, "bool": _Switch, "choice": _Choice, "color": _Colour, "seed": _Seed,
    "text": lambda param: _Lines(param) if param.get("multiline") else _Line(param),
}
"""By the parameter's type in the schema."""
