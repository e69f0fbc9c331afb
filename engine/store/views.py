VIEWS: tuple[str, ...] = ()
