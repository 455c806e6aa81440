# What etc builds.
