#!/bin/bash
# rsync, as stock clients run it: trees both ways, what it must not be asked, whose it is, and that nothing of it stays.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need rsync setsid
scratch
cat >"$SCRATCH/more.ini" <<'EOI'
[server one]
allow = bob: files.read
EOI
rig_up --ini "$SCRATCH/more.ini"
cd "$SCRATCH" || exit 1
S=$CONFIG/servers.d/rig.ini
ok "the disks are up" wait_until 20 mountpoint -q "$PREFIX/state/servers/one"
wait_until 20 mountpoint -q "$PREFIX/state/servers/two"
UID_ONE=$(stat -c %u "$PREFIX/state/servers/one") UID_TWO=$(stat -c %u "$PREFIX/state/servers/two")
R() { timeout -k 5 "$RUN_BOUND" rsync -e "ssh -F $SSH_CONFIG" "$@"; }
# Raw: what a hostile client would send.
raw() { local who=$1; shift; hf "$who" "$*" </dev/null; }
# Far ends on the files of a server, by its uid, which is past what pgrep takes.
rsyncs_of() {
    local p uid
    for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" = rsync ] || continue
        uid=$(awk '$1 == "Uid:" { print $2 }' "$p/status" 2>/dev/null)
        case " $* " in *" $uid "*) echo "${p#/proc/}" ;; esac
    done
}
rsyncs() { rsyncs_of "$UID_ONE" | grep .; }
sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
looks() { (cd "$1" && find . -printf '%P %y %m %T@ %l\n' | sed 's/\(\.[0-9]\{3\}\)[0-9]* /\1 /' | sort); }
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
nothing_left() { [ -z "$(rsyncs)" ] && [ -z "$(role_pids launch)" ] && [ -z "$(role_pids shim)" ] && [ -z "$(errand_groups)" ]; }
errand_groups() { find /sys/fs/cgroup -maxdepth 4 -path "*/$CGROUP/.errand.*" -type d 2>/dev/null; }
mounts() { grep -c "$PREFIX" /proc/self/mountinfo; }
# The client's own code says what it made of the far end's; the words are the far end's.
not_permitted() { local what=$1; shift; R "$@" >/dev/null 2>"$SCRATCH/refused" && return 1; grep -q "$what" "$SCRATCH/refused"; }
loops0=$(losetup -l | grep -c "$PREFIX") mounts0=$(mounts)

mkdir -p src/deep/er src/empty
printf 'hello\n' >src/plain
head -c 300000 /dev/urandom >src/deep/random
head -c 3000000 /dev/urandom >src/deep/er/big
printf x >"src/with space"; printf x >"src/quote'\"s"; printf x >'src/star*[ab]?'; printf x >src/-dash; printf x >'src/$dollar`;&|<>(){}!#~\back'
printf x >$'src/new\nline'; printf x >$'src/raw\xff\xfe'
ln -s plain src/link; ln -s /etc/passwd src/out; ln src/plain src/deep/hard
chmod 0750 src/deep; chmod 0700 src/plain; touch -d '2001-02-03 04:05:06' src/deep/random src/empty
# rsync takes times of the same second for the same.
aged() { find "$1" \( -type d -o -type l \) -exec touch -h -d '2002-03-04 05:06:07' {} +; }
aged src

# --- there and back ---------------------------------------------------------------------------------------------------------------------

exits 0 "a tree goes up" R -aH src alice:/one/
exits 0 "and comes down" R -aH alice:/one/src down
is "$(sums down/src)" "$(sums src)" "every byte of it"
is "$(diff <(looks src) <(looks down/src))" "" "modes, times, links"
is "$(stat -c %i down/src/plain)" "$(stat -c %i down/src/deep/hard)" "hard links are one file"
is "$(find "$PREFIX/state/servers/one/src" ! -uid "$UID_ONE" | wc -l)" 0 "all of it is the server's own"
exits 0 "a second time" R -aH --itemize-changes src alice:/one/
is "$out" "" "nothing is sent"
exits 0 "a third time, by content" R -aHc --itemize-changes src alice:/one/
is "$out" "" "neither"
exits 0 "compressed" R -az --compress-choice=zlib src/ alice:/one/z
exits 0 "with the client's choice of compression and sums" R -az --checksum-choice=md5 -c src/ alice:/one/z
is "$(R -rlptn --delete --itemize-changes alice:/one/z/ src/)" "" "the same is there"
rm -r src/empty "src/with space"; aged src
exits 0 "--delete" R -a --delete src/ alice:/one/z
exits 0 "takes away what is gone" R -a alice:/one/z down2
is "$(diff <(looks src) <(looks down2/z))" "" "and that alone"
printf more >>src/deep/random
for how in --inplace --partial "--partial-dir=.part" --append --append-verify --delay-updates "--temp-dir=/one" "--backup --suffix=.old" "--backup --backup-dir=kept" \
    --ignore-existing --numeric-ids --fsync "--max-size=10M" "--timeout=30" "--bwlimit=100M" -S -X -y --preallocate --delete-excluded --mkpath -U "-M--fake-super" \
    --chown=1000:1000 -vvv "--info=all2" "--stats" --no-W "--block-size=1000" "--modify-window=-1" -R; do
    # shellcheck disable=SC2086
    exits 0 "up with $how" R -a $how src/deep alice:/one/how/
done
exits 0 "and --link-dest of another folder there" R -a --link-dest=/one/z src/ alice:/one/snap
is "$(stat -c %i "$PREFIX/state/servers/one/snap/deep/er/big")" "$(stat -c %i "$PREFIX/state/servers/one/z/deep/er/big")" "makes links, not copies"
truncate -s 20M hole; printf end >>hole
exits 0 "a sparse file" R -aS hole alice:/one/
atmost "$(du -k "$PREFIX/state/servers/one/hole" | cut -f1)" 1000 "stays one"
exits 0 "--remove-source-files" R -a --remove-source-files alice:/one/hole got
nok "takes the source away" test -e "$PREFIX/state/servers/one/hole"
is "$(sha256sum <got)" "$(sha256sum <hole)" "once it is here"
exits 0 "--files-from" R -a --files-from=<(printf 'plain\ndeep/random\n') alice:/one/src/ some
is "$(find some -type f | wc -l)" 2 "two of them"

# --- names and places -------------------------------------------------------------------------------------------------------------------

exits 0 "the whole of a server by its name" R -d --list-only alice:/one
like "$out" ' one$' "is a folder of that name"
exits 0 "-R" R -aR alice:/one/src/./deep/er alice:one/src/plain rel
is "$(cd rel && find . -type f | sort | tr '\n' ' ')" "./deep/er/big ./one/src/plain " "keeps names as they were given"
exits 0 "several sources" R -a alice:/one/src/plain :/one/src/-dash several
is "$(ls several)" "$(printf -- '-dash\nplain')" "all come"
exits 0 "a pattern" R -a 'alice:/one/src/d*p/[r]an?om' pattern/
is "$(ls pattern)" random "is one"
for name in "quote'\"s" 'star\*\[ab\]\?' -dash '$dollar`;&|<>(){}!#~\back' $'raw\xff\xfe'; do
    rm -rf odd; exits 0 "a name: $(printf %q "$name")" R -a "alice:/one/src/$name" odd/
    is "$(find odd -type f | wc -l)" 1 "comes alone"
done
exits 0 "secluded arguments (-s)" R -sa $'alice:/one/src/new\nline' 'alice:/one/src/pl*n' odd2/
is "$(find odd2 -type f | wc -l)" 3 "names with line ends, and patterns, too"
exits 0 "-s up" R -sa --delete src/ 'alice:/one/a b*c'
ok "a place is no pattern" test -d "$PREFIX/state/servers/one/a b*c/deep"
exits 0 "a name with a star that is there already, up" R -a src/ 'alice:/one/a b*c'
exits 0 "--old-args" R --old-args -a src/plain 'alice:/one/a\ b\*c/old'
ok "have the remote side split" test -f "$PREFIX/state/servers/one/a b*c/old"
exits 0 "ACCOUNT+SERVER" R -a "alice+one@$HOST:src/plain" home/ -e "ssh -F none -p $PORT -i $KEY -o UserKnownHostsFile=$KNOWN_HOSTS -o IdentitiesOnly=yes -o IdentityAgent=none"
ok "begins in the server" test -f home/plain
exits 0 "and -R there" R -aR "alice+one@$HOST:src/plain" home/ -e "ssh -F none -p $PORT -i $KEY -o UserKnownHostsFile=$KNOWN_HOSTS -o IdentitiesOnly=yes -o IdentityAgent=none"
ok "knows nothing of its name" test -f home/src/plain

# --- what fails -------------------------------------------------------------------------------------------------------------------------

exits 23 "what is not there" R -a alice:/one/nowhere x
like "$err" 'link_stat ".*nowhere" failed: No such file' "in rsync's words"
nok "/ is no server" R -a src alice:/
like "$err" "'/' is no place on a server; allowed: /SERVER" "and the refusal says what is"
nok "two servers at once" R -a alice:/one/src/plain :/two/ x
like "$err" "one server at a time" "are refused"
ok "a server that is not hers" not_permitted "no server .three., or you may not see it" -a alice:/three/x x
for bad in --daemon --rsh=sh '-esh' --log-file=/one/log --config=/one/c --write-devices --copy-devices --protocol=20 --iconv=utf8 --files-from=/one/list \
    --temp-dir=/etc '--temp-dir=../..' '--link-dest=a/../../..' --compare-dest=/etc --backup-dir=../x --partial-dir=/tmp '--filter=merge /etc/passwd' \
    --read-batch=/x --rsync-path=sh --only-write-batch=/one/x --remote-option=--daemon --sockopts=x; do
    exits 2 "refused: $bad" raw alice "rsync --server -r $bad . /one/x"
done
exits 2 "refused: a way up" raw alice "rsync --server --sender -r . /one/../three"
exits 2 "refused: a way up, behind a link" raw alice "rsync --server --sender -r . /one/src/link/../.."
exits 2 "refused: an option behind the dot" raw alice "rsync --server -r . --daemon"
exits 2 "refused: no server behind it" raw alice "rsync --daemon"
exits 2 "refused: a pattern of servers" raw alice "rsync --server --sender -r . '/o*/src'"
exits 2 "secluded arguments that never end" raw alice "rsync --server -sr"
exits 2 "secluded arguments that are forbidden" hf alice "rsync --server -sr" < <(printf 'rsync\0--daemon\0.\0/one/x\0\0')
exits 2 "more arguments than there may be" hf alice "rsync --server -sr" < <(printf 'rsync\0.\0'; head -c 600000 /dev/zero | tr '\0' x)
exits 2 "rubbish for a protocol: rsync says so itself" hf alice "rsync --server -r . /one/x" < <(head -c 100000 /dev/urandom)

# --- links that lead out ------------------------------------------------------------------------------------------------------------------

as_server one sh -c 'ln -s /etc etc; ln -s / root; ln -s ../three peer'
exits 0 "a link to /etc/passwd, followed" R -aL alice:/one/etc/passwd leak
like "$(cat leak)" '^root:x:0:0:root:/:/usr/sbin/nologin' "leads to the sandbox's own"
nok "the host's files are not there" R -aL "alice:/one/root$PREFIX/etc/" leak2
nok "nor is another server" R -aL alice:/one/peer/ leak3
printf evil >planted; marker=/etc/holdfast-rsync-planted.$$
nok "a file through a link" R -a planted "alice:/one/etc/$(basename "$marker")"
nok "lands nowhere" test -e "$marker"

# --- rights ---------------------------------------------------------------------------------------------------------------------------------

exits 0 "files.read alone may pull" R -a bob:/one/src/plain bobs
ok "and not push: the rights are named" not_permitted "it needs the right: files.write files.delete" -a src/plain bob:/one/new
exits 77 "with the code for that" raw bob "rsync --server -r . /one/new"
ok "nor take away" not_permitted "it needs the right: files.write files.delete" -a --remove-source-files bob:/one/src/plain bobs2
ok "it is still there" test -f "$PREFIX/state/servers/one/src/plain"
ok "bob may nothing on two" not_permitted "no server .two." -a bob:/two/ bobs3
mkfifo hold
timeout 60 "${SSH[@]}" bob "rsync --server --sender -logDtpre.iLsfxCIvu . /one/src" <hold >/dev/null 2>&1 & view=$!
exec 8>hold
ok "a reader waits" wait_until 10 rsyncs
p=$(rsyncs | head -n 1)
like "$(grep " /home/one " "/proc/$p/mountinfo")" ' /home/one ro,' "its files are read-only in the kernel's eyes"
is "$(awk '$1 == "Seccomp:" { print $2 }' "/proc/$p/status")" 2 "it is behind a filter"
is "$(awk '$1 ~ /^Cap(Inh|Prm|Eff|Bnd|Amb):/ { print $2 }' "/proc/$p/status" | sort -u)" 0000000000000000 "without a capability"
is "$(awk '$1 == "NoNewPrivs:" { print $2 }' "/proc/$p/status")" 1 "and cannot get one"
is "$(grep -c : "/proc/$p/net/dev")" 1 "it has no network but loopback"
is "$(tr '\0' ' ' <"/proc/$p/cmdline")" "/usr/bin/rsync --server -s " "nothing of the client's is on its command line"
is "$(find "/proc/$p/fd" -mindepth 1 | wc -l)" 3 "it holds its stdio and nothing else"
sed -i 's/^allow = bob: files.read$/allow = bob: status/' "$S"
t=$(now_us)
exits 0 "the right is taken away" reload
gone() { [ -z "$(rsyncs)" ]; }
ok "it ends" wait_until 5 gone
atmost $((($(now_us) - t) / 1000)) 1000 "within a second (ms)"
wait $view; is $? 77 "its client is told: not permitted"
exec 8>&-

# --- bounds ---------------------------------------------------------------------------------------------------------------------------------

hold_one() { timeout 60 "${SSH[@]}" alice "rsync --server --sender -r . /$1/" <hold >/dev/null 2>&1 & holders+=($!); }
holders=()
hold_one one; hold_one one; hold_one two; hold_one two
exec 8>hold
held() { [ "$(rsyncs_of "$UID_ONE" "$UID_TWO" | wc -l)" = 4 ]; }
ok "four at once, two a server" wait_until 15 held
[ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "$CGROUP" -type d 2>/dev/null)" ] || is "$(errand_groups | wc -l)" 4 "each in a cgroup of its own"
ok "a third on a server is refused" not_permitted "too many rsync run on this server" -a alice:/one/src/plain x
exits 75 "with the code for that" raw alice "rsync --server --sender -r . /one"
like "$err" 'too many rsync .* allowed at once: 2 a server, 4 an account' "with the bounds"
exits 0 "a reload meanwhile" reload
ok "ends none of them" held
kill "${holders[@]}"; wait "${holders[@]}" 2>/dev/null
exec 8>&-
ok "clients gone, all is gone" wait_until 5 nothing_left

# --- a running server beside it, a client that dies, a disk that is full -----------------------------------------------------------------------

put_run one <"$HERE/t/payload/echo"
started one >/dev/null
pid=$(field one pid) shim=$(role_pids shim)
head -c 40M /dev/urandom >large
setsid rsync -e "ssh -F $SSH_CONFIG" --bwlimit=2M -a large alice:/one/large >/dev/null 2>&1 & client=$!
ok "a slow upload runs" wait_until 10 rsyncs
kill -9 -- -$client; wait $client 2>/dev/null
ok "its client is killed: it ends" wait_until 5 gone
only_shim() { [ "$(role_pids shim)" = "$shim" ] && [ -z "$(errand_groups)" ]; }
ok "shim and cgroup, too" wait_until 5 only_shim
is "$(mounts) $(losetup -l | grep -c "$PREFIX")" "$mounts0 $loops0" "no mount and no loop device more"
setsid rsync -e "ssh -F $SSH_CONFIG" --bwlimit=2M -a large alice:/one/large >/dev/null 2>&1 & client=$!
ok "another" wait_until 10 rsyncs
kill -9 $(role_pids session)
ok "its session is killed: it ends" wait_until 5 gone
wait $client 2>/dev/null
setsid rsync -e "ssh -F $SSH_CONFIG" --bwlimit=2M -a large alice:/one/large >killed.out 2>&1 & client=$!
ok "one more" wait_until 10 rsyncs
kill -9 "$(rsyncs | head -n 1)"
wait $client
isnt $? 0 "rsync itself is killed: its client fails"
ok "and nothing stays" wait_until 5 only_shim
# As much as the killed ones had written lies there under names of rsync's.
batch alice <<<'-rm /one/.large.*' >/dev/null
exits 0 "what the disk holds" R -a large alice:/one/large2
exits 11 "and more" R -a large alice:/one/large3
like "$err" 'No space left on device|Disk quota exceeded' "in rsync's words"
atmost "$(du -sm "$PREFIX/state/servers/one" | cut -f1)" 64 "no more is there than the disk may hold (MiB)"
nok "and nothing half" test -e "$PREFIX/state/servers/one/large3"
is "$(field one pid) $(field one state)" "$pid running" "the server beside it never noticed"

stopped one >/dev/null

# --- the daemon goes --------------------------------------------------------------------------------------------------------------------------

setsid rsync -e "ssh -F $SSH_CONFIG" --bwlimit=1M -a large alice:/two/large >/dev/null 2>&1 & client=$!
two_rsync() { rsyncs_of "$UID_TWO" | grep .; }
no_two_rsync() { ! two_rsync; }
ok "an upload runs" wait_until 10 two_rsync
kill -9 "$SERVER_PID"
ok "the daemon is killed: it ends" wait_until 5 no_two_rsync
wait $client 2>/dev/null
eval "$("$HERE/t/rig" start "$PREFIX")"
ok "a new daemon" wait_until 15 hf alice true
exits 0 "works" R -a src/plain alice:/two/
ok "and nothing of the old one stays" wait_until 5 nothing_left
ok "the daemon is up" daemon_up

# The end of the rig is an end in order, with a copy under way: it looks for what is left.
setsid rsync -e "ssh -F $SSH_CONFIG" --bwlimit=1M -a large alice:/two/large >/dev/null 2>&1 &
ok "an upload runs on into the end" wait_until 10 two_rsync
done_testing
