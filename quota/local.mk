# What quota builds.
