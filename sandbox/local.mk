# What sandbox builds.
<<<<<<< HEAD
include sandbox/lock.mk
include sandbox/launch.mk
=======
>>>>>>> shim
include sandbox/shimsrc.mk
