noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	base/attr.h \
	base/bucket.c base/bucket.h \
	base/buf.c base/buf.h \
	base/conf.c base/conf.h base/conf_options.h base/conf_table.h \
	base/conf_check.c base/conf_cpus.c base/conf_exit.c base/conf_form.c base/conf_host.c base/conf_reader.c base/conf_text.c base/conf_value.c base/conf_words.c \
	base/die.c base/die.h \
	base/err.c base/err.h \
	base/io.c base/io.h \
	base/json.c base/json.h \
	base/link.c base/link.h \
	base/log.c base/log.h \
	base/loop.c base/loop.h \
	base/mem.c base/mem.h \
	base/msg.c base/msg.h \
	base/name.c base/name.h \
	base/net.c base/net.h \
	base/place.c base/place.h \
	base/rate.c base/rate.h \
	base/rights.c base/rights.h
