#!/bin/bash
# The verb shell, with the real client: in a sandbox of a server at rest, and in that of one that runs.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need python3 stty
scratch
cat >"$SCRATCH/more.ini" <<'E2'
[server one]
shell = yes
restart = never
stop_timeout = 2s
environment = FROM_INI=yes
[server two]
shell = yes
deny = secret
[server three]
shell = yes
allow = alice: operator
[server four]
owner = alice
command = ./run
disk = 16M
shell = yes
[server five]
owner = alice
command = ./run
disk = 16M
shell = yes
E2
rig_up --ini "$SCRATCH/more.ini"
T() { timeout -k 5 "$RUN_BOUND" python3 -B "$HERE/t/lib/terminal_steps.py" "$@" </dev/null; }
CLIENT=("${SSH[@]}" -tt alice)
sh1() { hf alice "shell one -- sh -c '$1'"; }
UID_ONE=
processes() {   # of one's uid, with NAME on their command line
    local p u
    for p in /proc/[0-9]*; do
        u=$(awk '$1 == "Uid:" { print $2 }' "$p/status" 2>/dev/null)
        [ "$u" = "$UID_ONE" ] && tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q -- "$1" && echo "${p#/proc/}"
    done
    true
}
nobody_has() { [ -z "$(processes "$1")" ]; }
somebody_has() { [ -n "$(processes "$1")" ]; }
groups_of_shells() { find /sys/fs/cgroup -maxdepth 5 \( -path "*/$CGROUP/.errand.*" -o -path "*/$CGROUP/*/shell.*" \) -type d 2>/dev/null; }
no_groups() { [ -z "$(groups_of_shells)" ]; }
set_key() { sed -i "/^\[$2\]/,/^\[/ s/^$3 *=.*/$3 = $4/" "$CONFIG/$1"; }
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }

# --- both ways ----------------------------------------------------------------------------------------------------------------------------

both() {   # what is the same in either sandbox
    local how=$1
    exits 0 "$how: a command" hf alice "shell one -- ls -a /home/server"
    like "$out" '^\.' "$how: with its output"
    exits 7 "$how: its exit code" sh1 "exit 7"
    exits 255 "$how: any" sh1 "exit 255"
    exits 137 "$how: ended by a signal" sh1 "kill -9 \$\$"
    exits 127 "$how: a program that is not there" hf alice "shell one -- nosuch x"
    like "$err" "^cannot start: exec nosuch: No such file" "$how: says so"
    exits 126 "$how: one that is no program" hf alice "shell one -- /etc/passwd"
    exits 3 "$how: a script on its input" hf alice "shell one" < <(echo 'echo "at $PWD"; echo to stderr >&2; exit 3')
    is "$out" "at /home/server" "$how: runs in its home"
    is "$err" "to stderr" "$how: with the two streams apart"
    exits 0 "$how: words as they are" hf alice "shell one -- printf '%s|' 'a  b' '\$HOME' '' \"'\" '*'"
    is "$out" "a  b|\$HOME||'|*|" "$how: no shell in between"
    head -c 3000000 /dev/urandom >"$SCRATCH/in"
    exits 0 "$how: 3 MB there and back" bash -c "$(declare -f hf); SSH=(${SSH[*]@Q}); RUN_BOUND=$RUN_BOUND; hf alice 'shell one -- cat' <'$SCRATCH/in' >'$SCRATCH/back'"
    is "$(sha256sum <"$SCRATCH/back")" "$(sha256sum <"$SCRATCH/in")" "$how: every byte"
    exits 0 "$how: its environment" hf alice "shell one -- env"
    like "$out" 'FROM_INI=yes' "$how: what the ini adds"
    like "$out" 'HOME=/home/server' "$how: a home"
    is "$(grep -cE '^(SSH_|LC_ALL=C.UTF-8|HOLDFAST|NOTIFY)' <<<"$out")" 0 "$how: nothing of ours"
    exits 0 "$how: its rights" hf alice "shell one -- cat /proc/self/status"
    is "$(grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' <<<"$out" | tr -s '\t \n' ' ')" \
        "Uid: 1000 1000 1000 1000 Gid: 1000 1000 1000 1000 Groups: CapInh: 0000000000000000 CapPrm: 0000000000000000 CapEff: 0000000000000000 CapBnd: 0000000000000000 CapAmb: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 " \
        "$how: are none"
    is "$(hf alice "shell one -- ls /proc/self/fd" | tr '\n' ' ')" "0 1 2 3 " "$how: no descriptor but its own"
    exits 0 "$how: the host" sh1 "ls -d $PREFIX /root /boot 2>/dev/null | wc -l; test ! -e $CONFIG/secret.key"
    is "$out" 0 "$how: is not there"
    exits 5 "$how: on a terminal" T 'wait:\$ $' 'send:tty; stty size; echo $TERM\r' 'wait:/dev/pts/[0-9]+\r\n24 80\r\nxterm-x\r\n' \
        'size:41x132' 'send:sleep 0.2; stty size\r' 'wait:41 132' 'wait:\$ $' 'send:echo g""o1; cat\r' 'wait:go1\r\n' 'send:one\r' 'wait:one\r\none\r\n' 'send:\x1a' 'wait:Stopped' \
        'send:fg\r' 'wait:fg\r\n.*cat\r\n' 'send:two\r' 'wait:two\r\ntwo\r\n' 'send:\x03' 'wait:\$ $' 'send:echo code=$?\r' 'wait:code=130' 'send:echo g""o2; cat\r' 'wait:go2\r\n' 'send:line\r' \
        'wait:line\r\nline\r\n' 'send:\x04' 'wait:\$ $' 'send:exit 5\r' end -- env TERM=xterm-x "${CLIENT[@]}" "shell one"
    exits 0 "$how: a strange TERM" T 'wait:dumb' end -- env TERM='a;b' "${CLIENT[@]}" "shell one -- sh -c 'echo \$TERM'"
    exits 0 "$how: the end of input is the end of a terminal's" bash -c "timeout 60 ${CLIENT[*]@Q} 'shell one -- sh -c \"cat; echo over\"' <<<word"
    like "$out" $'word.*over' "$how: as ctrl-D"
    ok "$how: and nothing is left" wait_until 20 no_groups
}

both "at rest"
UID_ONE=$(stat -c %u "$PREFIX/state/servers/one")
like "$(hf alice "shell one -- cat /proc/net/dev" | tail -n +3 | tr -d ' ' | cut -d: -f1 | tr '\n' ' ')" '^lo $' "at rest: no network"
is "$(hf alice "status one --json" | grep -o '"state": *"[a-z]*"')" '"state":"offline"' "its state is what it was"
as_server one sh -c 'printf "#!/bin/sh\ntrap : TERM\necho up\nwhile :; do sleep 1000; done\n" >run; chmod 0755 run'
started one >/dev/null
both "running"
is "$(field one state)" running "the server's state is what it was"
init=$(field one pid)
main=$(processes '\./run')
for ns in user mnt pid net ipc uts cgroup time; do
    is "$(hf alice "shell one -- readlink /proc/self/ns/$ns")" "$(readlink "/proc/$main/ns/$ns")" "the server's own namespace: $ns"
done
is "$(hf alice "shell one -- cat /proc/self/limits")" "$(cat "/proc/$main/limits")" "its limits"
is "$(hf alice "shell one -- grep -E '^(Seccomp_filters|Cpus_allowed|Mems_allowed):' /proc/self/status")" \
    "$(grep -E '^(Seccomp_filters|Cpus_allowed|Mems_allowed):' "/proc/$main/status")" "its filters"
like "$(hf alice "shell one -- ps ax")" '\./run' "the server's processes are there to be seen"
exits 0 "and to be signalled" sh1 'kill -0 2'
like "$(hf alice "shell one -- cat /proc/self/cgroup" | grep '^0::')" '^0::/shell\.[0-9]+$' "a group of its own below the server's"
is "$(hf alice activity one -n 2 | grep -cE ' shell +-$')" 1 "it is on record"
like "$(hf alice activity one -n 2)" 'shell\.end +- +exit code 0' "with its end"

# --- what is left ---------------------------------------------------------------------------------------------------------------------------

as_server one sh -c 'cat >linger; chmod 0755 linger' <<'E2'
#!/bin/bash
setsid bash -c "exec -a linger-$1 sleep 900" &
setsid setsid bash -c "(exec -a linger-$1 sleep 900 &) &" &
exec -a "linger-$1" sleep 900
E2
open_one() { "${SSH[@]}" alice "shell one -- ./linger $1" </dev/null >/dev/null 2>"$SCRATCH/open.$1" & opened=$!; }
open_one a
ok "processes that leave their session" wait_until 20 eval '[ "$(processes "^linger-a" | wc -l)" -ge 3 ]'
kill -9 $opened
ok "end with a client that was killed" wait_until 20 nobody_has linger-a
ok "and their group with them" wait_until 20 no_groups
ok "the server does not" alive "$main"
exits 0 "a command that leaves one behind" hf alice "shell one -- bash -c \"setsid bash -c 'exec -a linger-b sleep 900' >/dev/null 2>&1 </dev/null & exit 0\""
ok "leaves nothing" wait_until 20 nobody_has linger-b
open_one c
ok "a shell under which the server is killed" wait_until 20 somebody_has linger-c
exits 0 "kill wins" killed one
ok "it ends" wait_until 20 eval '! alive $opened'
wait $opened; is $? 1 "with the code of a failure"
like "$(<"$SCRATCH/open.c")" "the shell was ended: the server has ended" "and the reason"
ok "nothing is left" nobody_has linger-c
exits 0 "it starts again" started one
main=$(processes '\./run')
open_one d
ok "a shell under which the daemon dies" wait_until 20 somebody_has linger-d
kill -9 "$SERVER_PID"
ok "ends with it" wait_until 20 nobody_has linger-d
ok "the server does not" alive "$main"
wait $opened 2>/dev/null
eval "$("$HERE/t/rig" start "$PREFIX")"
ok "the next daemon is up" wait_until 30 hf alice true
exits 0 "a shell in the sandbox it found again" wait_until 20 hf alice "shell one -- true"
ok "no group is left" wait_until 20 no_groups
stopped one >/dev/null
open_one e
ok "at rest: a shell under which the daemon dies" wait_until 20 somebody_has linger-e
kill -9 "$SERVER_PID"
ok "ends with it as well" wait_until 20 nobody_has linger-e
wait $opened 2>/dev/null
eval "$("$HERE/t/rig" start "$PREFIX")"
ok "and again the next one is up" wait_until 30 hf alice true

# --- refusals, and what takes it away ---------------------------------------------------------------------------------------------------------

exits 126 "files that are hidden" hf alice "shell two -- true"
like "$err" "no shell here: some of its files are hidden by the admin \(deny\)" "are why there is none"
exits 77 "who has not the right" hf alice "shell three -- true"
like "$err" "it needs the right: shell" "is told which"
exits 0 "the owner has it" hf bob "shell three -- true"
for s in one; do
    open_one f; f=$opened; open_one g; g=$opened
    ok "two at once" wait_until 20 eval 'somebody_has linger-f && somebody_has linger-g'
    exits 75 "not three" hf alice "shell $s -- true"
    like "$err" "too many shell run on this server already" "and it says so"
done
more=()
for i in 1 2; do
    "${SSH[@]}" alice "shell four -- sh -c 'echo in; exec sleep 900'" </dev/null >"$SCRATCH/four.$i" 2>&1 & more+=($!)
    ok "the account's shell $((i + 2))" wait_until 20 grep -q in "$SCRATCH/four.$i"
done
exits 75 "not a fifth, on whatever server" hf alice "shell five -- true"
like "$err" "too many shell run of this account already.* 4 an account" "and it says so"
exits 0 "another account has its own" hf bob "shell three -- true"
kill -9 "${more[@]}"
wait "${more[@]}" 2>/dev/null
ok "when two have ended there is room again" wait_until 20 hf alice "shell five -- true"
set_key servers.d/rig.ini "server one" shell no
exits 0 "it is not allowed any more" reload
ok "open ones end" wait_until 20 eval '! alive $f && ! alive $g && nobody_has linger-f'
exits 126 "and there are no new ones" hf alice "shell one -- true"
like "$err" "the admin has not allowed it \(shell = yes" "and it says what is missing"
set_key servers.d/rig.ini "server one" shell yes
reload >/dev/null

# Twelve hours are made three seconds, in the rig's copy of the daemon.
with_seconds() {
    kill -9 "$SERVER_PID"
    cp "$PREFIX/libexec/holdfastd" "$SCRATCH/holdfastd.whole"
    cp "$SCRATCH/holdfastd.whole" "$SCRATCH/holdfastd.new"
    python3 -B - "$SCRATCH/holdfastd.new" "$1" "$2" <<'E2' || { ok "the time of a shell stands in the program once" false; return 1; }
import struct, sys
name, old, new = sys.argv[1], *(struct.pack("<I", int(n)) for n in sys.argv[2:])
with open(name, "r+b") as f:
    data = f.read()
    if data.count(old) != 1:
        sys.exit(1)
    f.seek(data.index(old))
    f.write(new)
E2
    mv "$SCRATCH/holdfastd.new" "$PREFIX/libexec/holdfastd"
    eval "$("$HERE/t/rig" start "$PREFIX")"
    wait_until 30 hf alice true
}
ends_in_time() {   # NAME WHAT
    open_one "$1"
    ok "$2: it ends" wait_until 30 eval '! alive $opened'
    ! alive $opened || kill -9 $opened
    wait $opened 2>/dev/null; is $? 1 "$2: with the code of a failure"
    like "$(<"$SCRATCH/open.$1")" "the shell was ended: it ran longer than 3 s, the most that is allowed" "$2: and the reason"
    ok "$2: all of it" wait_until 20 nobody_has "linger-$1"
}
ok "a daemon with little patience" with_seconds $((12 * 3600)) 3
ends_in_time h "at rest, when its time is over"
started one >/dev/null
main=$(processes '\./run')
ends_in_time i "running, when its time is over"
ok "the server does not end" alive "$main"
stopped one >/dev/null

# One that runs on from before the namespaces of a sandbox had an owner of their own.
again_with() {   # FILE PROGRAM: the next daemon's
    kill -9 "$SERVER_PID"
    mv "$1" "$PREFIX/libexec/$2"
    eval "$("$HERE/t/rig" start "$PREFIX")"
    wait_until 30 hf alice true
}
owner() { python3 -B -c 'import fcntl, os, struct, sys
print(*struct.unpack("I", fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0xb704, bytes(4))))' "/proc/$1/ns/user"; }
ok "the daemon as it was" again_with "$SCRATCH/holdfastd.whole" holdfastd
cp "$PREFIX/libexec/holdfast-launch" "$SCRATCH/launch.whole"
install -m 0755 "${BUILD:-$HERE/build}/t/lib/launch_weak" "$PREFIX/libexec/launch_weak"
printf '#!/bin/sh\nHOLDFAST_WEAKEN=ns-owner exec %s/libexec/launch_weak "$@"\n' "$PREFIX" >"$SCRATCH/launch.old"
chmod 0755 "$SCRATCH/launch.old"
ok "a daemon that gives none" again_with "$SCRATCH/launch.old" holdfast-launch
started one >/dev/null
is "$(owner "$(processes '\./run')")" 0 "root has the namespaces"
ok "the next one, which does" again_with "$SCRATCH/launch.whole" holdfast-launch
exits 5 "a shell on a terminal in it" T 'wait:\$ $' 'send:tty; exit 5\r' 'wait:/dev/pts/[0-9]+\r\n' end -- env TERM=xterm "${CLIENT[@]}" "shell one"
exits 0 "it starts once more" hf alice restart one --wait --timeout 40
is "$(owner "$(processes '\./run')")" $((UID_ONE - 1000 + 65535)) "and they have an owner of their own"
stopped one >/dev/null
exits 2 "a command without a name" hf alice "shell one -- ''"
exits 2 "an option before the server" hf alice "shell --x one"

# --- a hostile server watches -----------------------------------------------------------------------------------------------------------------

as_server one sh -c 'cat >watch.py; printf "#!/bin/sh\nexec python3 -B watch.py\n" >run' <"$HERE/t/lib/shell_watch.py"
started one >/dev/null
watching() { hf alice logs one -n 5 | grep -q watching; }
ok "the server watches who comes" wait_until 30 watching
for i in $(seq 8); do
    hf alice "shell one -- true" >/dev/null 2>&1
    T 'wait:now' end -- "${CLIENT[@]}" "shell one -- echo now" >/dev/null 2>&1
done
saw() { hf alice logs one -n 200 | grep -oE 'hidden [0-9]+' | tail -n 1 | grep -qE '[1-9]'; }
ok "it has met some before they were the shell" wait_until 20 saw
is "$(hf alice logs one -n 1000 | grep -o 'FOUND.*')" "" "and got at nothing"
exits 0 "the daemon is well" hf alice true
done_testing
