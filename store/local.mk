# What store builds.
