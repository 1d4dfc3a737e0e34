"""What was asked for, from the wish to the new layers. Read `Fill.run` and `Filtering.run` from top to bottom.

Everything that waits for the daemon goes through `Monitor.apart`, so that windows stay alive; everything that touches
the image stays in the main thread, as libgimp wants it. Nothing here decides about pixels.
"""

import collections

from daemon import connect
from picture import Sorry, common, layer_name
from underpaint_client import Disconnected, ProtocolError, image

PREVIEW = {"max_side": 384, "every_ms": 200}
LONG_TEXT = 4096
"""Parameters of more bytes travel as blobs: a whole message has 64 KiB."""

STAGES = {"load": "Loading the model", "infill": "Painting", "encode": "Reading the picture", "denoise": "Painting",
          "decode": "Developing", "upscale": "Enlarging", "filter": "Finishing"}

Wish = collections.namedtuple("Wish", "mode settings chain margins controls regions", defaults=((), ()))
Wish.__doc__ = """`settings`: members of `generate`, what is left to the daemon absent; `chain`: steps as in
`filters/list`'s terms, {"name", "params", "images": {input: layer id}}; `margins`: (left, right, top, bottom) pixels by
which `expand` enlarges the canvas, else None; `controls` and `regions`: what steers, as in `generate`, but with `layer`, a name
or a number, in the place of the image or the mask."""


class Place(collections.namedtuple("Place", "extent offset masked canvas")):
    """`extent`: the canvas' size, where the image's origin lies at `offset`; `masked`: bounds of what is painted, None for all;
    `canvas`: the part that is sent. Both in canvas pixels, which are the image's unless it grows."""

    @property
    def seen(self):
        """The part that is sent, in the image's pixels."""
        return self.on_image(self.canvas)

    def on_canvas(self, rect):
        """A rect of the image as one of the canvas."""
        return (rect[0] + self.offset[0], rect[1] + self.offset[1]) + tuple(rect[2:])

    def on_image(self, rect):
        """The other way round."""
        return (rect[0] - self.offset[0], rect[1] - self.offset[1]) + tuple(rect[2:])


class Job:
    """One request. `run` returns the new layers."""

    AT_WORK = "Painting"

    def __init__(self, target, monitor):
        self._target, self._monitor = target, monitor
        self._client = None
        self.timing_ms, self.used = {}, {}
        """The daemon's own account of the finished job, and what it did it with."""

    def run(self):
        """Does it; once more if the daemon was lost on the way. `Sorry`, or what the client raises."""
        try:
            return self._attempt()
        except Disconnected:
            self._monitor.say("Underpaint stopped; starting it again")
            return self._attempt()

    def _attempt(self):
        starting = self._monitor.later(lambda: self._monitor.say("Starting Underpaint"))
        self._client = self._monitor.apart(lambda: connect(self._monitor.previews, starting))
        try:
            return self._story()
        finally:
            self._client.close()

    # What stories consist of

    def _check_room(self, planes):
        """`Refused` if pixels (rect, px) are more than can be sent at once: said before they are read."""
        self._client.conversation.check_room(*(rect[2:] + (px,) for rect, px in planes))

    def _put(self, data):
        return self._monitor.apart(lambda: self._client.put(data))

    def _send_layer(self, layer, rect):
        """Uploads what a layer shows of `rect`; returns the image."""
        with self._target.shown(layer) as snapshot:
            pixels = snapshot.read(rect, self._target.px)
        return image(self._put(pixels), rect[2], rect[3], self._target.px)

    def _send_alpha(self, layer, rect):
        """Uploads how opaque what a layer shows of `rect` is; returns the image, None if there is nothing."""
        with self._target.shown(layer) as snapshot:
            alpha = snapshot.read(rect, "rgba8")[3::4]
        return image(self._put(alpha), rect[2], rect[3], "g8") if any(alpha) else None

    def _filters(self, chain):
        """The chain as the protocol has it, the layers and long texts it needs uploaded."""
        found = []
        for step in chain:
            call = {"name": step["name"], "params": dict(step.get("params") or {})}
            for name, layer in (step.get("images") or {}).items():
                layer = self._target.find(layer)
                call.setdefault("images", {})[name] = self._send_layer(layer, self._target.covered(layer))
            for name, value in list(call["params"].items()):
                if isinstance(value, str) and len(value.encode("utf-8")) > LONG_TEXT:
                    call.setdefault("texts", {})[name] = self._put(call["params"].pop(name).encode("utf-8"))
            found.append(call)
        return found

    def _do(self, method, params):
        """Submits the job, shows how it goes, and returns its patches."""
        def work():
            job = self._client.submit(method, params)
            job.on_notice = hear
            return job.wait(), job.result
        hear = self._monitor.newest(self._heard, lambda notice: (notice.method, len(notice.tail) > 0))
        patches, result = self._monitor.apart(work)
        self.timing_ms, self.used = result.get("timing_ms") or {}, result.get("used") or {}
        return patches

    def _add(self, patches, name, grown=None):
        """Adds the layers; see `Target.insert`."""
        self._monitor.say("Placing the layer")
        layers = self._target.insert(patches, name, grown)
        if self._target.was_resized():
            self._monitor.warn("The canvas was resized meanwhile: look whether the layer lies where you want it.")
        return layers

    def _heard(self, notice):
        params = notice.params
        if notice.method == "job/state":
            if params.get("state") == "queued":
                before = params.get("position")
                self._monitor.say("Waiting, %s before this one" % _pictures(before) if before else "Waiting for its turn")
            elif params.get("state") == "running":
                self._monitor.say(self.AT_WORK)
        elif notice.method == "progress":
            step, steps = int(params.get("step") or 0), int(params.get("steps") or 0)
            text = STAGES.get(params.get("stage"), self.AT_WORK)
            if steps > 1:
                text += ", step %d of %d" % (step, steps)
            if params.get("eta_ms"):
                text += ", %s left" % _duration(params["eta_ms"])
            self._monitor.say(text, step / steps if steps else None)
            if params.get("preview") and len(notice.tail):
                self._monitor.show(params["preview"], notice.tail, params.get("preview_rect"))


class Fill(Job):
    """Paints into the selection, or the whole canvas."""

    def __init__(self, target, monitor, wish):
        super().__init__(target, monitor)
        self._wish = wish
        check_selection(wish.mode, target)
        if wish.mode == "expand" and not any(wish.margins):
            raise Sorry("Say by how many pixels the canvas is to grow, on one side at least.")

    def _story(self):
        wish, target = self._wish, self._target
        place = self._place()
        params = self._where(place)
        params.update(wish.settings, mode=wish.mode, preview=PREVIEW, label=layer_name(wish.settings.get("prompt", ""), wish.mode, None))
        params["filters"] = self._filters(wish.chain)
        if wish.controls:
            params["controls"] = self._controls(place)
        if wish.regions:
            params["regions"] = self._regions(place)
        patches = self._do("generate", params)
        if not patches:
            raise Sorry("Underpaint found nothing to change there.")
        grown = (place.extent, place.offset) if wish.mode == "expand" else None
        return self._add(patches, lambda seed: layer_name(wish.settings.get("prompt", ""), wish.mode, seed), grown)

    def _place(self):
        """Where it will be, and which part of the canvas is worth sending for it."""
        wish, (extent, offset, masked) = self._wish, self._geometry()
        canvas = (0, 0) + extent
        if masked is not None:
            asked = {"mode": wish.mode, "extent": list(extent), "mask_bounds": json_rect(masked)}
            asked.update((name, wish.settings[name]) for name in ("model", "prompt", "denoise_strength") if name in wish.settings)
            asked["steered"] = bool(wish.controls or wish.regions or wish.settings.get("loras"))
            answer = self._monitor.apart(lambda: self._client.call("fill/context", asked))
            canvas = _within(answer.get("rect"), extent)
        return Place(extent, offset, masked, canvas)

    def _where(self, place, pixels=True):
        """The members `canvas`, with its pixels or without, and `mask`, if only a part is to be painted."""
        target, monitor, canvas = self._target, self._monitor, place.canvas
        monitor.say("Reading the picture")
        planes = [(canvas, target.px)] if pixels else []
        if place.masked is not None:
            planes.append((place.masked, "g8"))
        self._check_room(planes)
        params = {"canvas": {"extent": list(place.extent), "rect": json_rect(canvas)}}
        if pixels:
            with target.visible() as snapshot:
                read = snapshot.read(place.seen, target.px)
                if monitor.previews:
                    monitor.show_canvas(*snapshot.reduced(place.seen, min(1.0, PREVIEW["max_side"] / max(canvas[2:]))), canvas)
            params["canvas"]["image"] = image(self._put(read), canvas[2], canvas[3], target.px)
        if place.masked is not None:
            mask = self._put(self._mask(place))
            params["mask"] = {"rect": json_rect(place.masked), "image": image(mask, place.masked[2], place.masked[3], "g8")}
        return params

    def _geometry(self):
        """(extent, where the image's origin lies in it, bounds of the mask or None)."""
        target = self._target
        if self._wish.mode == "expand":
            left, right, top, bottom = self._wish.margins
            extent = (target.extent[0] + left + right, target.extent[1] + top + bottom)
            return extent, (left, top), (0, 0) + extent
        if self._wish.mode == "background":
            return target.extent, (0, 0), (0, 0) + target.extent
        return target.extent, (0, 0), target.selection

    def _controls(self, place):
        """What steers, with what its layers show of the part of the image that is sent."""
        found = self._monitor.apart(lambda: self._client.call("controls/list"))
        references = {control["id"] for control in found if control.get("kind") == "ip_adapter"}
        called = []
        for control in self._wish.controls:
            call = {name: value for name, value in control.items() if name != "layer"}
            if control.get("layer"):
                call["image"] = self._layer_shown(control["layer"], place, control["model"] in references)
            called.append(call)
        return called

    def _layer_shown(self, name, place, whole=False):
        """What a layer shows of the part that is sent, or `whole`: a reference, wherever it lies. `Sorry` if it shows nothing."""
        layer = self._target.named(name)
        rect = self._target.covered(layer) if whole else common(self._target.rect_of(layer), place.seen)
        if rect is None:
            raise Sorry("The layer “%s” is empty where the picture is painted, so it cannot steer." % layer.get_name())
        return {"rect": json_rect(place.on_canvas(rect)), "image": self._send_layer(layer, rect)}

    def _regions(self, place):
        """Words with the masks of their layers. A region that is nowhere in what is painted is left out."""
        found = []
        for region in self._wish.regions:
            layer = self._target.named(region["layer"])
            rect = common(self._target.rect_of(layer), place.seen)
            mask = self._send_alpha(layer, rect) if rect is not None else None
            if mask is not None:
                found.append({"prompt": region["prompt"], "mask": {"rect": json_rect(place.on_canvas(rect)), "image": mask}})
        return found

    def _mask(self, place):
        """What is to be painted, as g8: the selection, all but the selection, or the strips around the old canvas."""
        if self._wish.mode == "expand":
            (width, height), extent, offset = self._target.extent, place.extent, place.offset
            row = b"\xff" * extent[0]
            inner = b"\xff" * offset[0] + bytes(width) + b"\xff" * (extent[0] - offset[0] - width)
            return row * offset[1] + inner * height + row * (extent[1] - offset[1] - height)
        return self._target.mask(place.masked, inverse=self._wish.mode == "background")


class Filtering(Job):
    """Runs a chain over the active layer, or what is selected of it, as a new layer above."""

    AT_WORK = "Filtering"

    def __init__(self, target, monitor, chain, schemas):
        """`schemas`: the entries of `filters/list` by name."""
        super().__init__(target, monitor)
        self._chain, self._schemas = chain, schemas
        if not chain:
            raise Sorry("Choose a filter first.")
        for step in chain:
            if step["name"] not in schemas:
                raise Sorry("There is no filter “%s”. Those there are: %s." % (step["name"], ", ".join(sorted(schemas)) or "none"))
        self._layer = target.layer()
        self._rect = target.filtered_part(self._layer)

    def _story(self):
        target, rect = self._target, self._rect
        title = " + ".join(self._schemas[step["name"]].get("title") or step["name"] for step in self._chain)
        masked = target.selection is not None and common(rect, target.selection) is not None
        below = target.beneath(self._layer) if self._wants("before") else None
        self._monitor.say("Reading the picture")
        self._check_room([(rect, target.px)] * (1 + (below is not None)) + [(rect, "g8")] * masked)
        params = {"rect": json_rect(rect), "label": title, "image": self._send_layer(self._layer, rect)}
        if masked:
            params.update(mask=image(self._put(target.mask(rect)), rect[2], rect[3], "g8"), clip=True)
        if below is not None:
            params["before"] = self._send_layer(below, rect)
        params["filters"] = self._filters(self._chain)
        patches = self._do("filter/apply", params)
        if not patches:
            raise Sorry("The filter changed nothing there.")
        return self._add(patches, lambda _seed: layer_name(title, "filter", None))

    def _wants(self, role):
        inputs = (entry for step in self._chain for entry in self._schemas[step["name"]].get("inputs") or [])
        return any(entry.get("role") == role for entry in inputs)


class Enlarging(Job):
    """Enlarges all that is seen; `run` returns the patch, which is a picture of its own."""

    AT_WORK = "Enlarging"

    def __init__(self, target, monitor, params):
        super().__init__(target, monitor)
        self._params = params

    def _story(self):
        target, rect = self._target, (0, 0) + self._target.extent
        self._monitor.say("Reading the picture")
        self._check_room([(rect, target.px)])
        with target.visible() as snapshot:
            pixels = snapshot.read(rect, target.px)
        params = dict(self._params, image=image(self._put(pixels), rect[2], rect[3], target.px), label="Enlarge")
        (patch,) = self._do("upscale", params)
        return patch


class Placing(Job):
    """Places an entry of the history again."""

    def __init__(self, target, monitor, entry):
        """`entry`: its name; empty: the newest."""
        super().__init__(target, monitor)
        self._entry = entry.strip()

    def _story(self):
        target = self._target
        self._monitor.say("Fetching the picture")
        found, patches = self._monitor.apart(self._fetch)
        words, mode = found.get("prompt") or "", found.get("mode") or "picture"
        if found.get("extent") != list(target.extent):
            patches = [patch._replace(rect=_moved_into(patch.rect, target.extent)) for patch in patches]
        if not patches:
            raise Sorry("This picture of the history is empty.")
        return self._add(patches, lambda seed: layer_name(words, mode, seed))

    def _fetch(self):
        entry = self._entry
        if not entry:
            listed = self._client.call("history/list", {"limit": 1})
            if not listed["entries"]:
                raise Sorry("The history is empty: nothing was painted yet." if listed.get("keep", True) else
                            "The history is empty, and it is switched off in Underpaint's config.json.")
            entry = listed["entries"][0]["entry"]
        found = self._client.call("history/get", {"entry": entry, "px": self._target.px})
        return found, self._client.conversation.patches(found)


def _moved_into(rect, extent):
    """The rect moved into a canvas of another size than it was made for, as far as it fits."""
    x, y = (max(0, min(at, whole - side)) for at, side, whole in zip(rect, rect[2:], extent))
    return (x, y) + tuple(rect[2:])


NOTHING_SELECTED = {
    "fill": "Nothing is selected. Select the part of the picture to fill first.",
    "remove": "Nothing is selected. Select what is to disappear first.",
    "add": "Nothing is selected. Select where something is to be added first.",
    "background": "Nothing is selected. Select what is to stay; all around it becomes the new background.",
}


def check_selection(mode, target):
    """`Sorry` if the mode needs a selection and there is none."""
    if mode in NOTHING_SELECTED and target.selection is None:
        raise Sorry(NOTHING_SELECTED[mode])


def json_rect(rect):
    """(x, y, w, h) as the protocol has it."""
    return dict(zip("xywh", rect))


def _within(rect, extent):
    """The daemon's rect as (x, y, w, h); `ProtocolError` unless it lies within the canvas."""
    try:
        x, y, width, height = (int(rect[side]) for side in "xywh")
    except (KeyError, TypeError, ValueError):
        raise ProtocolError("a context that is no rect: %r" % (rect,)) from None
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > extent[0] or y + height > extent[1]:
        raise ProtocolError("a context outside the picture: %r" % (rect,))
    return x, y, width, height


def _pictures(count):
    return "one picture" if count == 1 else "%d pictures" % count


def _duration(ms):
    seconds = max(1, round(ms / 1000))
    return "%d s" % seconds if seconds < 90 else "%d min" % round(seconds / 60)
