# holdfast-launch: sets a sandbox up and becomes its shim.
