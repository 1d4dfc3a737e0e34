"""What was painted before, as settings: “history:ENTRY” stands where a style's name does.

Decision: a style, because a style gives what the dialog does not show (sampler, scheduler, softness …), is named in scripts, and
is kept under another name by the button beside it. What an entry was steered by stays behind: the daemon keeps no layers.
"""

from underpaint_client import Refused

MARK = "history:"
ASKED = ("prompt", "negative_prompt", "denoise_strength", "feather_px", "grow_px", "passes", "loras", "filters")
"""Members that are as they were asked for; a style may hold them."""
RESOLVED = ("model", "steps", "guidance_scale", "guidance_rescale", "image_guidance_scale", "sampler", "scheduler", "clip_skip")
"""Members that are as they came out: what was left to the model, or to the daemon, may be another by now."""
TITLE_LENGTH = 40


def is_past(style):
    """Whether it is an entry of the history instead of a style's name."""
    return style.startswith(MARK)


def past(client, style):
    """The style that the entry is: its `name`, what it is called (`title`), `settings`, and what is no style's, `mode`, `seed` and
    `count`. None if the history has it no more."""
    try:
        found = client.call("history/get", {"entry": style[len(MARK):], "px": "rgba8"})
    except Refused:
        return None
    count = len(client.conversation.patches(found))  # the pixels came along
    asked, used = (found.get("receipt") or {}).get("request") or {}, found.get("used") or {}
    told = {name: asked.get(name, found.get(name)) for name in ASKED}
    told.update((name, used.get(name)) for name in RESOLVED)
    settings = {name: value for name, value in told.items() if value not in (None, "", [])}
    for name, members in [("loras", ("name", "weight", "text_weight")), ("filters", ("name", "params"))]:
        if name in settings:
            settings[name] = [{key: value for key, value in step.items() if key in members} for step in settings[name]]
    words = " ".join((settings.get("prompt") or found.get("label") or "").split())
    words = words if len(words) <= TITLE_LENGTH else words[:TITLE_LENGTH - 1].rstrip() + "…"
    return {"name": style, "title": "As in the history: %s" % words if words else "As in the history", "settings": settings,
            "mode": found.get("mode"), "seed": int(found.get("seed") or 0), "count": count, "scale": used.get("scale")}

