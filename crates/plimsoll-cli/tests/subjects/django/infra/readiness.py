"""Whether the service accepts traffic."""


class ReadinessState:
    def __init__(self):
        self.is_ready = True


state = ReadinessState()
