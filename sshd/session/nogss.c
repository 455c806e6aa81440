/* In the place of Kerberos.  Debian's libssh is linked with GSSAPI, of which nothing is ever offered or asked for here; the real libraries would be
   seven more in every connection's process: 0.15 MiB of it that no other shares, an eighth of the time it takes to start, and a megabyte of
   parsers in reach of a stranger.  The session is linked with this instead, which has the library's name and finds the method unavailable. */
#include <stddef.h>
#include <stdint.h>

enum { UNAVAILABLE = 16 << 16 };   /* GSS_S_UNAVAILABLE */

/* Beyond the first, the arguments differ and are not looked at. */
#define NONE(name)                                                                                                                   \
    uint32_t name(uint32_t *minor);                                                                                                  \
    uint32_t name(uint32_t *minor)                                                                                                   \
    {                                                                                                                                \
        if (minor)                                                                                                                   \
            *minor = 0;                                                                                                              \
        return UNAVAILABLE;                                                                                                          \
    }

/* All of RFC 2744, not only what the libssh of today asks for. */
NONE(gss_accept_sec_context) NONE(gss_acquire_cred) NONE(gss_add_cred) NONE(gss_add_oid_set_member) NONE(gss_canonicalize_name)
NONE(gss_compare_name) NONE(gss_context_time) NONE(gss_create_empty_oid_set) NONE(gss_delete_sec_context) NONE(gss_display_name)
NONE(gss_display_status) NONE(gss_duplicate_name) NONE(gss_export_name) NONE(gss_export_sec_context) NONE(gss_get_mic)
NONE(gss_import_name) NONE(gss_import_sec_context) NONE(gss_indicate_mechs) NONE(gss_init_sec_context) NONE(gss_inquire_context)
NONE(gss_inquire_cred) NONE(gss_inquire_cred_by_mech) NONE(gss_inquire_mechs_for_name) NONE(gss_inquire_names_for_mech)
NONE(gss_process_context_token) NONE(gss_release_buffer) NONE(gss_release_cred) NONE(gss_release_name) NONE(gss_release_oid_set)
NONE(gss_test_oid_set_member) NONE(gss_unwrap) NONE(gss_verify_mic) NONE(gss_wrap) NONE(gss_wrap_size_limit)

#define NO_NAME(name)                                                                                                                \
    extern void *const name;                                                                                                         \
    void *const name = NULL;

NO_NAME(GSS_C_NT_ANONYMOUS) NO_NAME(GSS_C_NT_EXPORT_NAME) NO_NAME(GSS_C_NT_HOSTBASED_SERVICE) NO_NAME(GSS_C_NT_HOSTBASED_SERVICE_X)
NO_NAME(GSS_C_NT_MACHINE_UID_NAME) NO_NAME(GSS_C_NT_STRING_UID_NAME) NO_NAME(GSS_C_NT_USER_NAME)
