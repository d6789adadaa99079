#!/usr/bin/env bash
# With attrs 26.1.0 (PyPI) one field with a validator makes assignments to all other fields of the class eighty times dearer.
#
# One would expect: a validator costs where its own field is set. attrs.define runs validators at assignment (on_setattr), but a counter beside
# the validated field has none, so `self.count += 1` should be as cheap as in a class without validators.
# Seen with attrs 26.1.0 on CPython 3.11: the class gets a __setattr__ in Python that looks up a hook for whatever name is assigned, and
# without validators it has none:
#   no validator at all:                    about   6 ns an assignment
#   a validator of another, frozen setting: about 500 ns an assignment
#   the same with on_setattr=NO_OP:         about   6 ns an assignment
# So an object that counts and also checks what it was made of pays for the check at each count. `on_setattr=attrs.setters.NO_OP` for the class
# keeps the check where the object is made.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check attrs==26.1.0
cat > "$folder/measure.py" <<'PY'
import sys
import timeit

import attrs


@attrs.define
class Plain:
    limit: int
    count: int = 0


@attrs.define
class Checked:
    limit: int = attrs.field(validator=attrs.validators.ge(1))
    count: int = 0


@attrs.define(on_setattr=attrs.setters.NO_OP)
class CheckedOnce:
    limit: int = attrs.field(validator=attrs.validators.ge(1))
    count: int = 0


def nanoseconds(kind):
    return min(timeit.repeat("one.count = 1", globals={"one": kind(1)}, number=200_000, repeat=7)) / 200_000 * 1e9


plain, checked, once = nanoseconds(Plain), nanoseconds(Checked), nanoseconds(CheckedOnce)
print(f"no validator at all:                    {plain:6.1f} ns an assignment")
print(f"a validator of another, frozen setting: {checked:6.1f} ns an assignment")
print(f"the same with on_setattr=NO_OP:         {once:6.1f} ns an assignment")
sys.exit(0 if checked > 4 * plain and once < 4 * plain else "the behaviour has changed")
PY
"$folder/env/bin/python" "$folder/measure.py"
