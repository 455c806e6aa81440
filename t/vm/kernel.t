#!/bin/bash
# vm: kernels 6.1 6.12
# The whole way once on an older kernel: files, start, console, terminal, ports, tmp, a full disk, a backup, the next daemon, the end.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
RUN_BOUND=300
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
ready = tcp:31001
[server terminal]
owner = alice
command = /bin/bash ./run
tty = yes
disk = 16M
[server alone]
owner = alice
command = /bin/bash ./run
network = none
disk = 16M
E2
rig_up --ini "$SCRATCH/more.ini"
doctor=$("$TOOL" --run "$RUN" doctor 2>&1)
is "$(grep -c '^FAIL' <<<"$doctor")" 0 "doctor finds nothing wrong"
like "$doctor" "landlock: ABI [1-9]" "landlock is there"
diag "$doctor"

# --- files ------------------------------------------------------------------------------------------------------------------------

head -c 3M /dev/urandom >"$SCRATCH/data"
ok "put, mkdir, rename, ln, chmod by sftp" batch alice <<E2
put $SCRATCH/data /one/data
mkdir /one/folder
rename /one/data /one/folder/data
symlink data /one/folder/link
ln /one/folder/data /one/folder/hard
chmod 640 /one/folder/data
E2
ok "get by sftp" batch alice <<<"get /one/folder/link $SCRATCH/back"
ok "the same bytes" cmp "$SCRATCH/data" "$SCRATCH/back"
ok "ls and df by sftp" batch alice <<<$'ls -l /one/folder\ndf /one'
nok "a link out is not followed" batch alice <<<$'symlink /etc/passwd /one/out\nget /one/out '"$SCRATCH/out"
ok "rm by sftp" batch alice <<<$'rm /one/out\nrm /one/folder/hard'

# --- start ------------------------------------------------------------------------------------------------------------------------

cat >"$SCRATCH/run" <<'E2'
#!/usr/bin/python3
import os, select, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *a: (print("bye", flush=True), os._exit(0)))
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 31001))
s.listen()
print("uid", os.getuid(), "cwd", os.getcwd(), flush=True)
for name, test in (("root is read-only", lambda: not os.access("/usr", os.W_OK)), ("tmp", lambda: open("/tmp/x", "w").write("x")),
                   ("shm", lambda: open("/dev/shm/x", "w").write("x")), ("home", lambda: open("inside", "w").write("x")),
                   ("no host files", lambda: not os.path.exists("/root/holdfast")),
                   ("devices", lambda: os.urandom(1) and open("/dev/null", "w").write("x"))):
    try:
        good = test()
    except OSError as e:
        good = False
        name += ": " + str(e)
    print("fine" if good else "bad", name, flush=True)
while True:
    for r in select.select([0, s], [], [])[0]:
        if r == 0:
            line = os.read(0, 4096)
            print("heard:", line.decode().strip(), flush=True)
        else:
            c, a = s.accept()
            c.sendall(b"hello\n")
            c.close()
E2
put_run one <"$SCRATCH/run"
exits 0 "start, until its port answers" hf alice start one --wait --timeout 120
is "$(field one state)" running "it runs"
one=$(field one pid)
words() { hf alice logs one -n 50; }
complete() { words | grep -q devices; }
ok "it has said what it found" wait_until 60 complete
words >"$SCRATCH/words"
is "$(grep -c 'fine ' "$SCRATCH/words") $(grep 'bad ' "$SCRATCH/words")" "6 " "and all was as it should be"
like "$(<"$SCRATCH/words")" 'uid 1000 cwd /home/server' "as uid 1000 in its own folder"
is "$(timeout 30 bash -c "cat <$(printf '/dev/tcp/%s/31001' "$(address one)")")" hello "its port answers on its address"
ok "what it wrote is there by sftp" batch alice <<<"get /one/inside $SCRATCH/inside"
is "$(<"$SCRATCH/inside")" x "with its bytes"
hf alice send one "a line" >/dev/null
heard() { words | grep -q "heard: $1"; }
ok "send" wait_until 60 heard "a line"
printf 'for i in 1 2 3; do echo "on $(tty), $(stty size)"; sleep 1; done\nread x; echo "got $x"; sleep 1000\n' >"$SCRATCH/run"
put alice "$SCRATCH/run" /terminal/run >/dev/null
exits 0 "start with a terminal" hf alice start terminal --wait --timeout 120
on_tty() { hf alice logs terminal -n 20 | grep -q 'on /dev/pts/0'; }
ok "it has one" wait_until 60 on_tty
put alice "$HERE/t/payload/echo" /alone/run >/dev/null
exits 0 "start without a network" hf alice start alone --wait --timeout 120
exits 0 "kill" hf alice kill terminal --wait --timeout 60
exits 0 "kill" hf alice kill alone --wait --timeout 60

# --- disk, backup, next daemon --------------------------------------------------------------------------------------------------------

head -c 80M /dev/zero >"$SCRATCH/much"
run put alice "$SCRATCH/much" /one/much
like "$out$err" 'quota exceeded' "what does not fit is refused"
batch alice <<<"rm /one/much" >/dev/null
exits 0 "backup" hf alice backup create one
id=$(hf alice backup list one --json | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["id"])')
hf alice backup get one "$id" | zstd -dc 2>/dev/null | tar -tf - >"$SCRATCH/list" 2>/dev/null
like "$(<"$SCRATCH/list")" 'folder/data' "it holds the files"
kill -KILL "$SERVER_PID"
gone() { ! alive "$SERVER_PID"; }
wait_until 60 gone
text=$("$HERE/t/rig" start "$PREFIX" 2>&1) || diag "$text"
eval "$(grep '^SERVER_PID=' <<<"$text")"
is "$(field one pid) $(field one state)" "$one running" "the next daemon finds the server"
hf alice send one "once more" >/dev/null
ok "and its console" wait_until 60 heard "once more"
exits 0 "stop" hf alice stop one --wait --timeout 120
is "$(field one state) $(field one exit_code)" "offline 0" "it has ended well"
tap_stack=("${tap_stack[@]/rig_end */}")
ok "the rig ends, nothing is left" "$HERE/t/rig" down "$PREFIX"
done_testing
