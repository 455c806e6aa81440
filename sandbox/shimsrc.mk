# The shim and the sandbox's init.
