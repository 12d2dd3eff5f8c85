"""The shell: commands, arguments, messages. The only room, with build, that sees a config."""
