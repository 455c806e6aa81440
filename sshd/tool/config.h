/* The two values of holdfast.ini that the tool needs before it can ask the daemon.  The daemon's reader checks the
   file; this one only finds a key. */
#ifndef TOOL_CONFIG_H
#define TOOL_CONFIG_H

/* The first value of KEY in [SECTION] of FOLDER/holdfast.ini, or the option's default when it is not given or the file
   cannot be read. Owned by the caller. */
char *config_value(const char *folder, const char *section, const char *key);

#endif
