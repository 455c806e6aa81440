#!/bin/bash
# The clients people have, as Debian ships them: each sends and fetches trees of odd names, a big file, goes on after a cut, and says why when
# the disk is full.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/clients.sh"
need_root
need rclone lftp curl psftp pscp puttygen
scratch
cat >"$SCRATCH/clients.ini" <<EOF
[server big]
owner = alice
command = ./run
disk = 3000M
inodes = 60000
port = 31011/udp
; rclone opens one for each transfer and check at once
[account alice]
max_connections = 48
EOF
rig_up --ini "$SCRATCH/clients.ini"
clients_home
clients_config alice
export HOST URL
cd "$SCRATCH" || exit 1
tree make plain plain
tree make odd plain odd
tree make many many
head -c 300M /dev/urandom >huge
huge=$(local_sum huge)
head -c 90M huge >large
large=$(local_sum large)
head -c 30M large >part
mid=plain/mid
short=$((90 * 1048576 - 1))

# --- sftp, scp ----------------------------------------------------------------------------------------------------------------------

ok "sftp puts a tree of odd names with modes and times" batch alice <<<"put -pR odd /big/sftp"
ok "and gets it" batch alice <<<"get -pR /big/sftp sftp.back"
same_tree odd sftp.back "the same names, bytes, modes and times" mode time folders
ok "sftp puts 300 MiB" batch alice <<<"put huge /big/huge"
is "$(sum_of /big/huge)" "$huge" "they are there"
ok "sftp gets them" batch alice <<<"get /big/huge huge.back"
is "$(local_sum huge.back)" "$huge" "and here again"
ok "sftp puts 90 MiB" batch alice <<<"put large /big/large"
cut_at 10000000 /big/cut sftp -F "$SSH_CONFIG" -l 200000 -b <(echo put large /big/cut) alice
atleast "$(size_of /big/cut)" 10000000 "sftp was killed in the middle of an upload"
atmost "$(size_of /big/cut)" $short "which was not at its end"
ok "reput" batch alice <<<"reput large /big/cut"
is "$(sum_of /big/cut)" "$large" "makes it whole"
cp part got
ok "reget" batch alice <<<"reget /big/large got"
is "$(local_sum got)" "$large" "makes a download whole"
ok "scp sends a tree" scp -F "$SSH_CONFIG" -q -r -p odd alice:/big/scp
ok "and fetches it" scp -F "$SSH_CONFIG" -q -r -p alice:/big/scp scp.back
same_tree odd scp.back "the same" mode time folders
ok "scp fetches by a pattern" scp -F "$SSH_CONFIG" -q 'alice:/big/scp/*.txt' .
ok "scp from one server to another" scp -F "$SSH_CONFIG" -q -3 alice:/big/scp/mid alice:/two/mid
is "$(sum_of /two/mid)" "$(local_sum odd/mid)" "the same"
ok "sftp as ACCOUNT+SERVER" sftp -F "$SSH_CONFIG" -o User=alice+big -b <(echo 'get scp/mid home.mid') alice
ok "has the server as its top" cmp home.mid odd/mid
ok "scp as ACCOUNT+SERVER" scp -F "$SSH_CONFIG" -o User=alice+big -q odd/mid alice:home.scp
is "$(sum_of /big/home.scp)" "$(local_sum odd/mid)" "sends to its top"

# --- curl -----------------------------------------------------------------------------------------------------------------------------------

ok "curl puts" "${CURL[@]}" -T large $URL/big/curl
is "$(sum_of /big/curl)" "$large" "the same bytes"
ok "curl gets" "${CURL[@]}" -o curl.back $URL/big/curl
is "$(local_sum curl.back)" "$large" "the same bytes"
ok "curl makes folders on the way" "${CURL[@]}" --ftp-create-dirs -T $mid "$URL/big/new/folder/a%20b"
like "$("${CURL[@]}" -l $URL/big/new/folder/)" 'a b' "lists"
ok "gets a name with a space" cmp $mid <("${CURL[@]}" "$URL/big/new/folder/a%20b")
is "$("${CURL[@]}" -r 100-199 $URL/big/new/folder/a%20b | sha256sum)" "$(head -c 200 $mid | tail -c 100 | sha256sum)" "gets a range"
cp part got
ok "goes on with a download" "${CURL[@]}" -C - -o got $URL/big/curl
is "$(local_sum got)" "$large" "to the end"
cut_at 10000000 /big/cut2 "${CURL[@]}" --limit-rate 20M -T large $URL/big/cut2
atmost "$(size_of /big/cut2)" $short "curl was killed in the middle"
ok "goes on with an upload" "${CURL[@]}" -C - -T large $URL/big/cut2
is "$(sum_of /big/cut2)" "$large" "to the end"
ok "appends" "${CURL[@]}" -a -T $mid $URL/big/cut2
is "$(size_of /big/cut2)" $((90 * 1048576 + 3000001)) "at the end"
ok "sends what has no known size" bash -c '"$@" -T - '"$URL"'/big/stream <'$mid - "${CURL[@]}"
is "$(sum_of /big/stream)" "$(local_sum $mid)" "as it is"
ok "renames, makes folders, changes modes" "${CURL[@]}" -Q 'rename /big/cut2 /big/renamed' -Q 'mkdir /big/cd' -Q 'chmod 640 /big/renamed' -l -o listing $URL/big/
like "$(<listing)" 'renamed' "with effect"
like "$(batch alice <<<'ls -l /big/renamed')" '-rw-r-----' "on the mode"
ok "removes" "${CURL[@]}" -Q 'rm /big/renamed' -Q 'rmdir /big/cd' -l -o listing $URL/big/
unlike "$(<listing)" 'renamed|cd' "with effect"
exits 21 "says when it cannot" "${CURL[@]}" -Q 'rm /big/nothing' $URL/big/
exits 78 "and what is not there" "${CURL[@]}" $URL/big/nothing
clients_config alice+big
ok "curl as ACCOUNT+SERVER" cmp $mid <("${CURL[@]}" $URL/stream)
clients_config alice

# --- PuTTY's ----------------------------------------------------------------------------------------------------------------------------------

run psftp_do $'cd /big\nput large ps\nget ps ps.back\nmkdir psd\nput -r -- plain psd/plain\nchmod 600 ps\nmv ps psm\nget -r -- psd/plain ps.plain\nls psd'
is $rc 0 "psftp puts, gets, makes, changes, moves"
is "$(local_sum ps.back) $(sum_of /big/psm)" "$large $large" "90 MiB are the same"
like "$(batch alice <<<'ls -l /big/psm')" '-rw-------' "the mode was changed"
same_tree plain ps.plain "a tree is the same"
cut_at 3000000 /big/cut3 psftp "${PUTTY[@]}" "$HOST" -b <(echo put large /big/cut3)
run psftp_do 'reput large /big/cut3'
is "$rc $(sum_of /big/cut3)" "0 $large" "psftp was killed and goes on"
cp part got
run psftp_do 'reget /big/large got'
is "$rc $(local_sum got)" "0 $large" "also with a download"
batch alice <<<"mkdir /big/pscp" >/dev/null 2>&1
ok "pscp sends a tree" pscp -q "${PUTTY[@]}" -r -p plain "$HOST:/big/pscp"
mkdir pscp.back
ok "and fetches it" pscp -q "${PUTTY[@]}" -r -p "$HOST:/big/pscp/plain" pscp.back
same_tree plain pscp.back/plain "the same" time
ok "pscp as ACCOUNT+SERVER" pscp -q -batch -P "$PORT" -i "$HOME/key.ppk" -hostkey "${PUTTY[6]}" -l alice+big $mid "$HOST:pscp.home"
is "$(sum_of /big/pscp.home)" "$(local_sum $mid)" "sends to its top"

# --- lftp ---------------------------------------------------------------------------------------------------------------------------------------

ok "lftp mirror -R with 8 at once" lftp_do 'mirror -R --parallel=8 many /big/lftp'
ok "mirror with 8 at once" lftp_do 'mirror --parallel=8 /big/lftp lftp.back'
same_tree many lftp.back "2,000 files are the same" mode time
ok "lftp's odd names there" lftp_do 'mirror -R odd /big/lftp.odd'
ok "and back" lftp_do 'mirror /big/lftp.odd odd.back'
same_tree odd odd.back "the same" mode time
echo changed >many/00/"file 0000.dat"; rm many/01/"file 0001.dat"
ok "mirror -R --delete of a tree that changed" lftp_do 'mirror -R --delete many /big/lftp'
rm -rf lftp.back
ok "and back" lftp_do 'mirror /big/lftp lftp.back'
same_tree many lftp.back "the same" time
ok "pget -n 4" lftp_do 'pget -n 4 /big/huge -o pget'
is "$(local_sum pget)" "$huge" "the same bytes by four hands"
cut_at 10000000 /big/cut4 lftp -c "set net:limit-rate 0:20000000; $LFTP; put large -o /big/cut4"
atmost "$(size_of /big/cut4)" $short "lftp was killed in the middle"
ok "put -c" lftp_do 'put -c large -o /big/cut4'
is "$(sum_of /big/cut4)" "$large" "makes it whole"
cp part got
ok "get -c" lftp_do 'get -c /big/large -o got'
is "$(local_sum got)" "$large" "so does a download"
ok "mv, chmod, mkdir -p, ln -s, du, find, rm -r" lftp_do 'mv /big/cut4 /big/moved; chmod 600 /big/moved; mkdir -p /big/1/2/3; ln -s moved /big/1/l
    du -s /big/1; find /big/1; cls -l /big/moved; rm -r /big/1; rm /big/moved'
clients_config alice+big
ok "lftp as ACCOUNT+SERVER" lftp_do 'get stream -o lftp.stream'
ok "has the server as its top" cmp lftp.stream $mid
clients_config alice

# --- rclone -------------------------------------------------------------------------------------------------------------------------------------------

ok "rclone copy of odd names" "${RCLONE[@]}" copy --create-empty-src-dirs plain hf:big/rclone
like "$(<"$HOME/rclone.conf")" 'md5sum_command = md5sum' "finds checksums at first contact"
like "$(<"$HOME/rclone.conf")" 'sha1sum_command = sha1sum' "of both kinds"
ok "rclone check by checksum" "${RCLONE[@]}" check plain hf:big/rclone
ok "rclone copy back" "${RCLONE[@]}" copy --create-empty-src-dirs hf:big/rclone rclone.back
same_tree plain rclone.back "the same" time
ok "rclone copy --transfers 16" "${RCLONE[@]}" copy --transfers 16 many hf:big/many
ok "rclone check --checkers 16 by checksum" "${RCLONE[@]}" check --checkers 16 many hf:big/many
is "$("${RCLONE[@]}" copy --dry-run many hf:big/many 2>&1)" "" "nothing is to be sent again"
rm -r many/03; echo other >many/04/"file 0004.dat"; echo new >many/04/new
ok "rclone sync that deletes" "${RCLONE[@]}" sync --transfers 16 many hf:big/many
rm -rf lftp.back
ok "is fetched by another" lftp_do 'mirror --parallel=4 /big/many lftp.back'
same_tree many lftp.back "and the same"
ok "rclone copyto and moveto on the server" bash -c '"$@" copyto hf:big/rclone/mid hf:big/copied && "$@" moveto hf:big/copied hf:big/moved &&
    "$@" move hf:big/rclone hf:big/elsewhere' - "${RCLONE[@]}"
is "$(sum_of /big/moved)" "$(local_sum $mid)" "keep the bytes"
ok "rclone check of what was moved" "${RCLONE[@]}" check plain hf:big/elsewhere
is "$("${RCLONE[@]}" cat --offset 100 --count 7000 hf:big/moved | sha256sum)" "$(head -c 7100 $mid | tail -c 7000 | sha256sum)" "rclone cat of a range"
is "$("${RCLONE[@]}" cat --tail 999 hf:big/moved | sha256sum)" "$(tail -c 999 $mid | sha256sum)" "and of the end"
ok "rclone rcat" bash -c '"$@" rcat hf:big/rcat <huge' - "${RCLONE[@]}"
is "$(sum_of /big/rcat)" "$huge" "streams 300 MiB"
is "$("${RCLONE[@]}" sha1sum hf:big/rcat | cut -c1-40)" "$(sha1sum <huge | cut -c1-40)" "rclone sha1sum"
like "$("${RCLONE[@]}" about hf:big)" 'Total: +2\.[0-9]+ GiB' "rclone about knows the server's disk"
cut_at 10000000 /big/cut5 "${RCLONE[@]}" --bwlimit 20M copyto large hf:big/cut5
atmost "$(size_of /big/cut5)" $short "rclone was killed in the middle"
ok "and sends it again" "${RCLONE[@]}" copyto large hf:big/cut5
is "$(sum_of /big/cut5)" "$large" "whole"
clients_config alice+big
ok "rclone as ACCOUNT+SERVER" "${RCLONE[@]}" check plain hf:elsewhere
KEY=$KEY2 clients_config bob
ok "rclone within the ten connections of an account" "${RCLONE[@]}" copy --checkers 4 many hf:three/many
ok "and check" "${RCLONE[@]}" check --checkers 4 many hf:three/many
unlike "$(grep 'account=bob.*too many connections' "$LOG")" . "none was refused"
clients_config alice

# --- together ---------------------------------------------------------------------------------------------------------------------------------------------

batch alice <<<"mkdir /big/both" >/dev/null 2>&1
"${RCLONE[@]}" copy many hf:big/both >rclone.out 2>&1 & one=$!
lftp_do 'mirror -R --parallel=3 plain /big/both' >lftp.out 2>&1 & two=$!
wait $one; is "$? $(<rclone.out)" "0 " "rclone sends a tree"
wait $two; is "$? $(<lftp.out)" "0 " "while lftp sends another to the same place"
mkdir both; cp -a many/. plain/. both/
ok "both are there" "${RCLONE[@]}" check --download both hf:big/both
batch alice <<<"mkdir /big/same" >/dev/null 2>&1
batch alice <<<"put -r many /big/same" >sftp.out 2>&1 & one=$!
batch alice <<<"put -r many /big/same" >sftp2.out 2>&1 & two=$!
wait $one; is $? 0 "sftp sends a tree"
wait $two; is $? 0 "while another sends the same one to the same place"
ok "it is there" "${RCLONE[@]}" check --download many hf:big/same/many

# --- a full disk ----------------------------------------------------------------------------------------------------------------------------------------------

ok "something that must not be harmed" batch alice <<<"put $mid /two/precious"
run "${CURL[@]}" -T large $URL/two/filler
isnt $rc 0 "curl: 90 MiB do not fit"
for i in 1 2 3; do batch alice <<<"put part /two/filler$i" >/dev/null 2>&1; done
# CLIENT WORDS COMMAND...: over what is there, and beside it.
refused() {
    local client=$1 words=$2; shift 2
    local where before
    before=$(sum_of /two/precious)
    isnt "$before" "" "there is something that could be harmed"
    for where in precious "new.$client"; do
        run "$@" /two/$where
        isnt $rc 0 "$client: nothing is written to a full disk ($where)"
        [ -z "$words" ] || like "$out$err" "$words" "$client says so"
    done
    # scp does not truncate: it writes over what is there, and needs no room for that.
    [ "$client" = scp ] || is "$(sum_of /two/precious)" "$before" "$client: what was there is unharmed"
}
full='quota exceeded \('
refused sftp "$full" bash -c 'sftp -F "$1" -b <(echo "put '"$PWD"'/part $2") alice' - "$SSH_CONFIG"
refused scp "$full" bash -c 'scp -F "$1" part "alice:$2"' - "$SSH_CONFIG"
refused psftp "$full" bash -c 'where=${!#}; set -- "${@:1:$#-1}"; psftp "$@" -b <(echo "put part $where")' - "${PUTTY[@]}" "$HOST"
refused pscp "$full" bash -c 'where=${!#}; set -- "${@:1:$#-1}"; pscp "$@" part "$HOST:$where"' - "${PUTTY[@]}"
refused lftp "$full" bash -c 'lftp -c "$1; put part -o $2"' - "$LFTP"
refused curl "" bash -c 'where=${!#}; set -- "${@:1:$#-1}"; "$@" -T part "$URL$where"' - "${CURL[@]}"
refused rclone "$full" bash -c 'where=${!#}; set -- "${@:1:$#-1}"; "$@" --retries 1 copyto part "hf:$where"' - "${RCLONE[@]}"
ok "when the filler goes" batch alice <<<$'rm /two/filler*'
ok "there is room again" batch alice <<<"put $mid /two/after"
is "$(sum_of /two/after)" "$(local_sum $mid)" "for all of it"

ok "no session is left" wait_until 20 no_session
is "$(role_pids files | wc -l)" 0 "nor a files worker"
unlike "$(grep -c 'BUG\|invariant' "$LOG")" '[1-9]' "no invariant broke"
done_testing
