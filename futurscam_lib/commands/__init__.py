"""Commands of `futurscam` that live beside `cli`: each module adds its own with `register`."""
