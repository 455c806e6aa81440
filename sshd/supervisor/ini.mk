supervisor_ini_sources = sshd/supervisor/ini.c sshd/supervisor/ini.h
