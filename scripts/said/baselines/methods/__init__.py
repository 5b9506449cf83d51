"""How each method of Table 1 is stored and asked for motion: a module for each, with the same functions.

    frame_rate(settings) -> int
        frames per second of its motion; None: it gives coefficients, 60 per second
    save(path, model), load(path, shared, settings) -> model
        as this project stores it
    read_published(files, shared, settings) -> model
        from the authors' files, where there are any that fit
    styles(model) -> int
        how many it has; 1: it knows none
    animate(model, speech, template, styles, settings, seed) -> iterator of (N, V, 3) metres or (N, 32)
        one sequence for each style that is asked for

`settings` are the method's own section of config.yaml.
"""
