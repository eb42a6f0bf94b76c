"""The safety study's smoke cell, the tiny model and the harmless policy, for its tests."""

import cell as cells

SHEET = cells.sheet("safety")
SMOKE = SHEET["scales"]["smoke"]["cells"]["tiny-policy"]


def cell(**changes):
    """The smoke cell; a mapping among the changes is laid over the cell's own."""
    own = {**SHEET["base"], **SMOKE}
    return {
        **own,
        **{
            name: {**own[name], **new} if isinstance(own.get(name), dict) and name != "freezes" else new
            for name, new in changes.items()
        },
    }


def params_of(chosen):
    """All parameters of a cell, as a stage would see them if it used all."""
    return cells.params_of("safety", chosen)


def run(verb, chosen, inputs, seed=0):
    """What one stage left of this cell."""
    return cells.run("safety", verb, chosen, inputs, seed)


def trained(chosen, seed=0, later=()):
    """Evidence of prepare, train and the later stages named."""
    return cells.row("safety", "tiny-policy", chosen, seed, verbs=("prepare", "train", *later))
