#include "sshd/session/hostkeys.h"

#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

static void import_one(ssh_bind bind, const char *from, size_t size)
{
    char *block = mem_strn(from, size);
    ssh_key key = NULL;
    if (ssh_pki_import_privkey_base64(block, NULL, NULL, NULL, &key) != SSH_OK)
        die("host key: not readable");
    mem_wipe(block, size);
    free(block);
    /* The key belongs to BIND from here on. */
    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK)
        die("host key: %s", ssh_get_error(bind));
}

void hostkeys_import(ssh_bind bind, const char *text)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    unsigned n = 0;
    const char *at = text;
    while ((at = strstr(at, begin)) != NULL) {
        const char *last = strstr(at, end);
        const char *newline = last ? strchr(last, '\n') : NULL;
        if (last == NULL)
            die("host key: a block does not end");
        const char *next = newline ? newline + 1 : last + strlen(last);
        import_one(bind, at, (size_t)(next - at));
        at = next;
        n++;
    }
    if (n == 0)
        die("host key: none was given");
}

void hostkeys_make(const char *type, char **private_text, char **public_line)
{
    enum ssh_keytypes_e kind = strcmp(type, "ed25519") == 0 ? SSH_KEYTYPE_ED25519
                             : strcmp(type, "rsa") == 0   ? SSH_KEYTYPE_RSA
                                                          : SSH_KEYTYPE_UNKNOWN;
    if (kind == SSH_KEYTYPE_UNKNOWN)
        die("no such type of host key; allowed: ed25519, rsa");
    ssh_key key = NULL;
    char *private_out = NULL, *public_out = NULL;
    if (ssh_pki_generate(kind, kind == SSH_KEYTYPE_RSA ? 3072 : 0, &key) != SSH_OK ||
        ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &private_out) != SSH_OK ||
        ssh_pki_export_pubkey_base64(key, &public_out) != SSH_OK)
        die("making a host key of type %s failed", type);
    *private_text = mem_str(private_out);
    *public_line = mem_fmt("%s %s", ssh_key_type_to_char(kind), public_out);
    mem_wipe(private_out, strlen(private_out));
    ssh_string_free_char(private_out);
    ssh_string_free_char(public_out);
    ssh_key_free(key);
}
