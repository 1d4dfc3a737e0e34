"""The only file that touches GIMP's images: read what is seen, selected and on a layer; add layers.

Decision: babl converts. `R'G'B'A` without a space is sRGB, so pixels leave in it and results come back from it, whatever
colour space, precision or base type the image has; an image of more than 8 bits sends and gets more, so that no depth is
lost. Only ever layers are added, each complete before it enters the image: that is the one change undo knows of.
"""

import time

from gi.repository import Gegl, Gimp

NAME_LENGTH = 60
SURROUNDINGS = 512
"""How many pixels around a selection filters see: as far as a filter's tiles may look (the largest halo of
sdk/filter.wit)."""

EIGHT_BITS = ("rgba8", "R'G'B'A u8")
DEPTHS = [
    ((Gimp.Precision.U16_LINEAR, Gimp.Precision.U16_NON_LINEAR, Gimp.Precision.U16_PERCEPTUAL), ("rgba16", "R'G'B'A u16")),
    ((Gimp.Precision.U8_LINEAR, Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U8_PERCEPTUAL), EIGHT_BITS),
]
DEEPEST = ("rgbaf32", "R'G'B'A float")
BABL = dict([EIGHT_BITS, DEPTHS[0][1], DEEPEST])
BABL.update(g8="Y u8")
"""The wire's pixel formats as babl calls them. A selection is linear coverage, so `Y`, not `Y'`."""
INVERSE = bytes(range(255, -1, -1))
MARK = "underpaint"
"""What our layers carry while GIMP runs: when they were asked for and when they were added, in nanoseconds. Every job is a process
of its own, so this is how one knows what another did meanwhile."""


class Sorry(Exception):
    """What was asked cannot be done; `str()` is a sentence for the painter."""


class Target:
    """The image and the layer that a procedure was called with, and that its result goes to."""

    def __init__(self, image, drawables):
        """`Sorry` for an image that no layer of colours can be added to."""
        if not image.is_valid():
            raise Sorry("The picture was closed meanwhile.")
        self._image, self._began = image, time.time_ns()
        self._anchor = _layer_of(drawables[0]) if drawables and drawables[0].is_valid() else None
        self.extent = (image.get_width(), image.get_height())
        if image.get_base_type() == Gimp.ImageBaseType.INDEXED:
            raise Sorry("This picture has a palette, and what is painted would be forced into its few colours. Choose "
                        "Image > Mode > RGB first.")
        if image.get_floating_sel() is not None:
            raise Sorry("A floating selection is waiting. Anchor it, or make a layer of it, first (Layer > Anchor Layer).")
        self.px = next((px for precisions, (px, _) in DEPTHS if image.get_precision() in precisions), DEEPEST[0])
        _, selected, left, top, right, bottom = Gimp.Selection.bounds(image)
        self.selection = (left, top, right - left, bottom - top) if selected and right > left and bottom > top else None
        """The selection's bounds as (x, y, w, h); None if nothing is selected."""

    def is_open(self):
        """Whether the image still is among GIMP's."""
        return self._image.is_valid()

    def was_resized(self):
        """Whether the canvas has another size than when the procedure began."""
        return (self._image.get_width(), self._image.get_height()) != self.extent

    def visible(self):
        """A snapshot of what is seen, to be read from and closed."""
        merged = Gimp.Layer.new_from_visible(self._image, self._image, "underpaint")
        return Snapshot(merged, (0, 0), merged.delete)

    def mask(self, rect, inverse=False):
        """The selection within `rect` as packed g8: 0 outside, 255 selected, soft edges kept."""
        found = _read(self._image.get_selection(), rect, "g8")
        return found.translate(INVERSE) if inverse else found

    def reduced_mask(self, rect, scale):
        """The same, smaller by `scale` (0..1)."""
        box = _scaled(rect, scale)
        return self._image.get_selection().get_buffer().get(box, scale, BABL["g8"], Gegl.AbyssPolicy.NONE)

    # What lies on one layer

    def layer(self):
        """The layer that filters work on. `Sorry` if there is none."""
        if self._anchor is None:
            raise Sorry("Choose the layer that is to be filtered.")
        return self._anchor

    def shown(self, layer):
        """A snapshot of one layer with its effects and its mask."""
        _, x, y = layer.get_offsets()
        if layer.get_mask() is None and not layer.get_filters():
            return Snapshot(layer, (x, y), lambda: None)
        # GIMP refuses to apply the mask of a group, or of a locked layer. What it shows of an image has them: of one with a copy of
        # the layer alone, as if it were an ordinary one.
        scratch = _image_like(self._image, layer.get_width(), layer.get_height())
        copy = Gimp.Layer.new_from_drawable(layer, scratch)
        scratch.insert_layer(copy, None, 0)
        copy.set_lock_visibility(False)
        copy.set_visible(True)
        copy.set_opacity(100)
        copy.set_mode(Gimp.LayerMode.NORMAL)
        copy.set_composite_mode(Gimp.LayerCompositeMode.AUTO)
        if copy.get_mask() is not None:
            copy.set_show_mask(False)
        scratch.resize_to_layers()  # locks hold a layer where it is, but not the canvas
        merged = Gimp.Layer.new_from_visible(scratch, self._image, "underpaint")
        scratch.delete()
        return Snapshot(merged, (x, y), merged.delete)

    def layers(self):
        """(id, name, depth) of every layer of the image, from the top; those in groups lie deeper than 0."""
        def under(siblings, depth):
            for layer in siblings:
                yield layer.get_id(), layer.get_name(), depth
                if layer.is_group():
                    yield from under(layer.get_children(), depth + 1)
        return list(under(self._image.get_layers(), 0))

    def find(self, layer):
        """The layer of that id. `Sorry` if the image has none."""
        item = Gimp.Item.get_by_id(layer) if Gimp.Item.id_is_valid(layer) else None
        if item is None or not item.is_layer() or item.get_image().get_id() != self._image.get_id():
            raise Sorry("The layer number %d, which a filter asks for, is not in this picture." % layer)
        return item

    def named(self, name):
        """The layer of that name, which GIMP gives to one layer only; or of that number. `Sorry` if the image has none."""
        found = self._image.get_layer_by_name(name)
        if found is None and name.isdecimal():
            found = next((Gimp.Layer.get_by_id(layer) for layer, *_ in self.layers() if layer == int(name)), None)
        if found is None:
            raise Sorry("There is no layer “%s” in this picture." % name)
        return found

    @property
    def active(self):
        """The name of the layer the painter is on; empty if there is none."""
        return self._anchor.get_name() if self._anchor is not None else ""

    def beneath(self, layer):
        """The visible layer under `layer` in the same group; None if there is none."""
        under = self._siblings(layer)[self._image.get_item_position(layer) + 1:]
        return next((below for below in under if below.get_visible()), None)

    @staticmethod
    def rect_of(layer):
        """Where the layer lies, as (x, y, w, h); it may reach beyond the canvas."""
        _, x, y = layer.get_offsets()
        return x, y, layer.get_width(), layer.get_height()

    def covered(self, layer):
        """The part of the canvas that the layer covers, as (x, y, w, h). `Sorry` if it lies outside."""
        rect = common((0, 0) + self.extent, self.rect_of(layer))
        if rect is None:
            raise Sorry("The layer “%s” lies outside the picture, so nothing is seen of it." % layer.get_name())
        return rect

    def shown_part(self, layer):
        """Which part of the layer a preview shows: what is selected of it, or all that lies on the canvas."""
        whole = self.covered(layer)
        return whole if self.selection is None else common(whole, self.selection) or whole

    def filtered_part(self, layer):
        """Which part of the layer to send, for all of it or all of the selection to be filtered."""
        whole = self.covered(layer)
        if self.selection is None:
            return whole
        if common(whole, self.selection) is None:
            raise Sorry("The layer “%s” is empty where you selected." % layer.get_name())
        x, y, width, height = self.selection
        around = (x - SURROUNDINGS, y - SURROUNDINGS, width + 2 * SURROUNDINGS, height + 2 * SURROUNDINGS)
        return common(whole, around)

    # Adding layers

    def insert(self, patches, name, grown=None, visible=True):
        """Adds each patch as a new layer above the one that was active, all as one undo step; `name(seed)` is the
        layer's. `grown` = (extent, offset): the canvas becomes so large in the same step, unless it was resized. Returns
        the layers."""
        if not self.is_open():
            raise Sorry("The picture was closed meanwhile, so there is nothing to put the result on.")
        if grown is not None and self.was_resized():
            raise Sorry("The canvas was resized meanwhile, so the result was not placed. It is in the history.")
        if self._image.get_floating_sel() is not None:
            raise Sorry("A floating selection was made meanwhile, so no layer could be added. Anchor it and try again.")
        layers = [_new_layer(self._image, patch, name(patch.seed)) for patch in patches]
        mark = Gimp.Parasite.new(MARK, 0, b"%d %d" % (self._began, time.time_ns()))
        self._image.undo_group_start()
        try:
            if grown is not None:
                self.extent, offset = grown
                self._image.resize(*self.extent, *offset)
            parent, above = self._insertion_point()
            for layer, patch in zip(layers, patches):
                layer.set_visible(visible)
                layer.attach_parasite(mark)
                self._image.insert_layer(layer, parent, above)
                layer.set_offsets(*patch.rect[:2])
        finally:
            self._image.undo_group_end()
        Gimp.displays_flush()
        return layers

    def new_image(self, patch, name, show):
        """A new image of the same kind that holds nothing but the patch; in a window of its own if `show`."""
        _, _, width, height = patch.rect
        image = _image_like(self._image, width, height)
        image.insert_layer(_new_layer(image, patch, name), None, 0)
        image.undo_disable()
        image.undo_enable()  # nothing happened yet that could be undone
        if show:
            Gimp.Display.new(image)
        return image

    def _insertion_point(self):
        """(parent, position) above the anchor, and above what was asked for earlier and added there meanwhile: what was
        asked for later lies on top, whichever is done first. On top of everything if there is no anchor, or none any more."""
        anchor = self._anchor
        if anchor is None or not anchor.is_valid() or anchor.get_image() is None:
            return None, 0
        siblings, at = self._siblings(anchor), self._image.get_item_position(anchor)
        while at > 0 and self._came_between(siblings[at - 1]):
            at -= 1
        return anchor.get_parent(), at

    def _came_between(self, layer):
        """Whether it was asked for before this began, and added since."""
        mark = layer.get_parasite(MARK)
        if mark is None:
            return False
        asked, added = map(int, bytes(mark.get_data()).split())
        return asked < self._began < added

    def _siblings(self, layer):
        """All layers of the group that it is in, from the top."""
        parent = layer.get_parent()
        return parent.get_children() if parent is not None else self._image.get_layers()


class Snapshot:
    """Pixels to be read, in canvas coordinates. A context manager, for what was made only to be read."""

    def __init__(self, layer, offset, close):
        self._layer, self._offset, self._close = layer, offset, close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._close()

    def read(self, rect, px):
        """The pixels of `rect` (canvas coordinates) as packed `px`, straight alpha, sRGB; transparent where there is
        nothing."""
        return _read(self._layer, _moved(rect, self._offset), px)

    def reduced(self, rect, scale):
        """The same as rgba8, smaller by `scale` (0..1): a picture to look at. Returns (pixels, width, height)."""
        box = _scaled(_moved(rect, self._offset), scale)
        return self._layer.get_buffer().get(box, scale, EIGHT_BITS[1], Gegl.AbyssPolicy.NONE), box.width, box.height



def _image_like(image, width, height):
    """A new image of the same base type, precision and colour space."""
    made = Gimp.Image.new_with_precision(width, height, image.get_base_type(), image.get_precision())
    profile = image.get_color_profile()
    if profile is not None:
        made.set_color_profile(profile)
    return made


def _new_layer(image, patch, name):
    """A layer that is not yet in the image, with the patch's pixels."""
    _, _, width, height = patch.rect
    kind = Gimp.ImageType.GRAYA_IMAGE if image.get_base_type() == Gimp.ImageBaseType.GRAY else Gimp.ImageType.RGBA_IMAGE
    layer = Gimp.Layer.new(image, name, width, height, kind, 100.0, Gimp.LayerMode.NORMAL)
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), BABL[patch.px], bytes(patch.pixels))
    buffer.flush()
    layer.update(0, 0, width, height)
    return layer


def _read(drawable, rect, px):
    return drawable.get_buffer().get(Gegl.Rectangle.new(*rect), 1.0, BABL[px], Gegl.AbyssPolicy.NONE)


def _scaled(rect, scale):
    x, y, width, height = rect
    return Gegl.Rectangle.new(int(x * scale), int(y * scale), max(1, int(width * scale)), max(1, int(height * scale)))


def _moved(rect, offset):
    return (rect[0] - offset[0], rect[1] - offset[1]) + tuple(rect[2:])


def _layer_of(drawable):
    """The layer that a drawable is, or that a mask belongs to; None for a channel."""
    if drawable.is_layer_mask():
        return Gimp.Layer.from_mask(Gimp.LayerMask.get_by_id(drawable.get_id()))
    return drawable if drawable.is_layer() else None


def common(one, other):
    """What two rects (x, y, w, h) share; None if nothing."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[0] + one[2], other[0] + other[2]), min(one[1] + one[3], other[1] + other[3])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def layer_name(prompt, mode, seed):
    """`prompt (seed)` on one line, the prompt cut to a readable length; the mode where there is no prompt."""
    words = " ".join(prompt.split()) or mode.capitalize()
    if len(words) > NAME_LENGTH:
        words = words[:NAME_LENGTH - 1].rstrip() + "…"
    return words if seed is None else "%s (%s)" % (words, seed)

