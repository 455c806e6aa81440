# What sandbox builds.
