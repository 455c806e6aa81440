# holdfast-prompt: the line editor of a terminal.
pkglibexec_PROGRAMS += holdfast-prompt
holdfast_prompt_SOURCES = \
	sshd/prompt/edit.c sshd/prompt/edit.h \
	sshd/prompt/keys.c sshd/prompt/keys.h \
	sshd/prompt/main.c \
	sshd/prompt/screen.c sshd/prompt/screen.h \
	sshd/prompt/words.c sshd/prompt/words.h \
	sshd/proto.h
holdfast_prompt_CPPFLAGS = $(AM_CPPFLAGS) $(EDIT_CFLAGS)
holdfast_prompt_LDADD = liblock.a libbase.a $(EDIT_LIBS)
BUILT_SOURCES += sandbox/lock/prompt.bpf.h
CLEANFILES += sandbox/lock/prompt.bpf.h
sshd/prompt/holdfast_prompt-main.$(OBJEXT): sandbox/lock/prompt.bpf.h
EXTRA_DIST += etc/seccomp/prompt.policy sshd/prompt/RIGHTS
