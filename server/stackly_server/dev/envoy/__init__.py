"""Envoy's bootstrap as pure data: settings and descriptors in, a JSON document out."""
