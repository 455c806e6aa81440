#!/bin/bash
# Files by the libraries that programs are made with: asyncssh, and paramiko sending what clients with windows send.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/clients.sh"
need_root
/usr/bin/python3 -W ignore -c 'import asyncssh, paramiko' 2>/dev/null || skip_all "python3-asyncssh or python3-paramiko is not installed"
scratch
cat >"$SCRATCH/big.ini" <<EOF
[server big]
owner = alice
command = ./run
disk = 1500M
inodes = 60000
port = 31011/udp
EOF
rig_up --ini "$SCRATCH/big.ini"
clients_home
cd "$SCRATCH" || exit 1
mkdir files
tree make files/tree plain odd
tree make files/links links
head -c 80M /dev/urandom >files/big

timeout 100 "$HERE/t/lib/winscp_like.py" "$HOST" "$PORT" "$KEY" >out 2>err
code=$?
import_results out ""
is $code 0 "the script ran to its end"
[ $code = 0 ] || diag "$(tail -n 5 err)"

PYTHONWARNINGS=ignore timeout 100 "$HERE/t/lib/asyncssh_files.py" "$HOST" "$PORT" "$KEY" "$SCRATCH/files" >out 2>err
code=$?
import_results out "asyncssh: "
is $code 0 "asyncssh's script ran to its end"
[ $code = 0 ] || diag "$(tail -n 5 err)"
same_tree files/tree files/tree.back "asyncssh: a tree there and back is the same" mode time folders
same_tree files/links files/links.back "asyncssh: so are symlinks" links

ok "no session is left" wait_until 20 no_session
is "$(role_pids files | wc -l)" 0 "nor a files worker"
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
done_testing
