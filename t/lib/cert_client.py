"""One login by a certificate that stock ssh would not offer: cert_client.py HOST PORT ACCOUNT KEY CERT prints "in" or "denied"."""
import base64
import sys

import paramiko

host, port, account, key, cert = sys.argv[1:]
kind, text = open(cert).read().split()[:2]
k = paramiko.Ed25519Key.from_private_key_file(key)
k.public_blob = paramiko.pkey.PublicBlob(kind, base64.b64decode(text))
paramiko.Transport._preferred_pubkeys = (kind,)
t = paramiko.Transport((host, int(port)))
t.start_client(timeout=30)
try:
    t.auth_publickey(account, k)
except (paramiko.SSHException, EOFError):
    pass
print("in" if t.is_authenticated() else "denied")
t.close()
