#!/bin/bash
# A hostile server: what it does to the host, to its neighbours, to its owner's tools.  (What it can see and call is sandbox.t's.)
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need zstd
scratch
cat >"$SCRATCH/more.ini" <<'E3'
[server one]
restart = never
stop_timeout = 2s
E3
rig_up --ini "$SCRATCH/more.ini"
put_run one <"$HERE/t/payload/attack"
put_run two <"$HERE/t/payload/echo"
put_run three <"$HERE/t/payload/echo"
started two >/dev/null 2>&1; started three >/dev/null 2>&1
three=$(field three pid)
attack() { hf alice send --expect "'done $1 '" --timeout "${2:-60}" one "$1"; }
said() { hf alice logs one -n 400 2>/dev/null | sed -n "s/.*done $1 //p" | tail -n 1; }
others_fine() { alive "$SERVER_PID" && [ "$(field three pid)" = "$three" ] && state_is two running; }
again() { hf alice kill one --wait --timeout 20 >/dev/null 2>&1; hf alice start one --wait --timeout 30 >/dev/null 2>&1; }
number() { sed -n "s/.*\b$2=\([0-9]*\).*/\1/p" <<<"$1"; }
exits 0 "start" hf alice start one --wait --timeout 30

# --- disk and memory ---------------------------------------------------------------------------------------------------------------------------

host_used() { df -B1 --output=used "$PREFIX" | tail -n 1; }
before=$(host_used)
exits 0 "it fills its disk" attack fill 120
r=$(said fill)
like "$r" "refused='(No space|Disk quota)" "which refuses: $r"
atmost "$(number "$r" bytes)" $((64 << 20)) "at most 64 MiB were taken"
like "$r" 'fallocate=(28|122) ' "nor by fallocate"
unlike "$r" 'hole=8388608' "nor behind a hole"
atmost $(($(host_used) - before)) $((100 << 20)) "the host's disk lost no more than the image"
exits 0 "the owner is told by SFTP" hf alice quota one
nok "and refused" put alice "$HERE/t/payload/attack" /one/more
exits 0 "give it back" attack unfill
exits 0 "it makes files without end" attack inodes 120
atmost "$(number "$(said inodes)" files)" 20000 "at most as many as its limit"
exits 0 "it fills its memory file systems" attack tmpfill
IFS=, read -r tmp shm run <<<"$(said tmpfill | sed 's/MiB=//')"
atmost "${tmp:-999}" 33 "/tmp is a quarter of its memory"
atmost "${shm:-999}" 33 "/dev/shm as well"
atmost "${run:-999}" 1 "/run is small"
ok "nobody else noticed" others_fine

# --- processes and signals -------------------------------------------------------------------------------------------------------------------------

exits 0 "signals to everybody it can name" attack signals
unlike "$(said signals)" 'killed' "reach nobody"
ok "init took no harm" state_is one running
exits 0 "limits of others" attack limits
like "$(said limits)" 'nice 13|nice 1$' "it cannot raise its priority"
exits 0 "games with its pipes" attack pipes
exits 0 "it makes processes without end" attack bomb 60
atmost "$(number "$(said bomb)" processes)" 64 "at most as many as its limit"
ok "nobody else noticed" others_fine
start=$(now_us)
exits 0 "kill wins over a fork bomb" hf alice kill one --wait --timeout 20
atmost $((($(now_us) - start) / 1000)) 8000 "within seconds (ms)"
inside() { for p in /proc/[0-9]*; do
    u=$(awk '$1 == "Uid:" { print $2 }' "$p/status" 2>/dev/null); [ "${u:-0}" -ge "$SERVERS_UID" ] && [ "$u" -lt $((SERVERS_UID + 65536)) ] && echo "$p"; done; }
is "$(inside | wc -l)" 0 "nothing of it is left"
hf alice start one --wait --timeout 30 >/dev/null 2>&1
attack deaf >/dev/null 2>&1
start=$(now_us)
run hf alice stop one --wait --timeout 30
atmost $((($(now_us) - start) / 1000)) 12000 "a stop ends a server that is deaf and has left its session (ms)"
is "$(inside | wc -l)" 0 "with all of it"

# --- output ------------------------------------------------------------------------------------------------------------------------------------------

again
exits 0 "25 MB of rubbish without a line's end" attack flood 60
atmost "$(du -sb "$PREFIX/state/logs/one" | cut -f1)" $((17 << 20)) "the log keeps to its size"
unlike "$(tr -d '\n' <"$LOG" | tr '\033\000' '##')" '##|#\]0' "none of it reaches the daemon's log"
ok "nobody else noticed" others_fine

# --- traps for its owner's tools ---------------------------------------------------------------------------------------------------------------------

again
exits 0 "traps" attack traps
is "$(said traps)" ok "all are laid"
get() { rm -f "$SCRATCH/got"; timeout 20 bash -c "$(declare -f batch); SFTP=(${SFTP[*]@Q}); RUN_BOUND=15; batch alice <<<'get $1 $SCRATCH/got'" >/dev/null 2>&1; }
for t in shadow root/etc/shadow up/etc/shadow image fd loop two abs/etc/shadow ../two.img fifo socket; do
    nok "SFTP does not get $t" get "/one/$t"
done
start=$(now_us); get /one/leased; atmost $((($(now_us) - start) / 1000)) 8000 "a lease holds up nobody (ms)"
exits 0 "a listing of it all" batch alice <<<"ls -la /one"
exits 0 "the owner opens what was locked" batch alice <<<"chmod 600 /one/locked
get /one/locked $SCRATCH/got"
exits 0 "a backup of it all" timeout 60 "${SSH[@]}" alice backup create one --json
id=$(hf alice backup list one --json | python3 -c 'import json,sys; print([json.loads(l)["id"] for l in sys.stdin][0])')
hf alice backup get one "$id" >"$SCRATCH/b.tar.zst" 2>/dev/null
zstd -dqf "$SCRATCH/b.tar.zst" -o "$SCRATCH/b.tar"
is "$(tar tvf "$SCRATCH/b.tar" 2>/dev/null | grep -c '^l.*shadow -> /etc/shadow')" 1 "links are links in it"
nok "and nothing of the host is" grep -aq "$(head -n 1 /etc/shadow | cut -d: -f2- | cut -c1-20)root:" "$SCRATCH/b.tar"
exits 0 "folders and links that change places" attack swap
bad=0
host=$(cat /etc/hostname)
for i in $(seq 25); do
    get /one/real/hostname && [ "$(cat "$SCRATCH/got")" != mine ] && bad=$((bad + 1))
done
is $bad 0 "never show the host's files"
ok "nobody else noticed" others_fine
again
exits 0 "it shuts its own folder" attack shut
exits 0 "the owner has his files all the same" batch alice <<<"ls /one"
hf alice kill one --wait --timeout 20 >/dev/null 2>&1
exits 0 "with its folder open" hf alice start one --wait --timeout 30
again
ok "it runs" wait_until 10 state_is one running

# --- what it puts in the place of its program -----------------------------------------------------------------------------------------------------

hf alice kill one --wait >/dev/null 2>&1
for what in "mkfifo" "mkdir" "ln -s /etc/shadow"; do
    as_server one rm -rf run; as_server one $what run
    run hf alice start one --wait --timeout 20
    isnt "$rc" 0 "run made by $what: it does not start ($rc)"
    hf alice kill one --wait >/dev/null 2>&1
done
rm -rf "$PREFIX/state/servers/one/run"
ok "nobody else noticed" others_fine
nok "the sanitizers had nothing to say" grep -qE 'AddressSanitizer|runtime error' "$LOG"
done_testing
