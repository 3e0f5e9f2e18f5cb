"""The words: types, keys, templates, formats, registry, binding, refs, manifests, errors."""
