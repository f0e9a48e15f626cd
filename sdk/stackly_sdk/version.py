"""The version of this package; a test holds it equal to that of the distribution."""

VERSION = "0.1.0"
