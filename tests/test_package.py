"""The package as others install it: the names it hands out, and what an import leaves alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fdcore


@pytest.mark.parametrize("name", fdcore.__all__)
def test_every_public_name_is_there(name):
    assert getattr(fdcore, name) is not None and name in dir(fdcore)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        fdcore.no_such_name  # noqa: B018 - the access is what is tested


def test_importing_the_package_imports_nothing_heavy_and_sets_no_variable():
    program = (
        "import os, sys; before = dict(os.environ); import fdcore;"
        "assert before == dict(os.environ);"
        "assert not {'torch', 'pydantic', 'yaml', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
