#!/usr/bin/env bash
# Usage: make-media.sh [OUT]
# Makes OUT (default: media/powder-day.mp4 of this repository) with ffmpeg's own filters alone, in about five minutes on
# two cores: a minute of snow that falls over mountains, with wind. The pictures are computed once, pixel by pixel, with
# geq expressions; the film only moves them.
set -euo pipefail
export LC_ALL=C
say() { printf '%s\n' "$*" >&2; }
[[ ${1-} != -h && ${1-} != --help ]] || { sed -n 's/^# //p; /^set/q' "${BASH_SOURCE[0]}"; exit; }
[[ $# -le 1 && ${1-} != -* ]] || { say "${0##*/}: at most one argument, the file to write; see --help"; exit 2; }
command -v ffmpeg >/dev/null || { say "${0##*/}: ffmpeg is not in PATH (Debian: apt-get install ffmpeg)"; exit 2; }
out=${1:-$(dirname -- "${BASH_SOURCE[0]}")/../media/powder-day.mp4}
work=$(mktemp -d "${TMPDIR:-/tmp}/heapserve.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
fps=30 seconds=60 frames=1800 W=2160 H=1080 # the pictures are wider than the film, so that it can pan

ff() { ffmpeg -hide_banner -loglevel error -nostdin -y -filter_complex_threads 2 "$@"; }
paint() { # NAME SIZE FILTERS: one still picture, with 16 bits a channel and alpha if the filters keep them
  say "painting $1"
  ff -f lavfi -i "color=black:s=$2,format=gbrap16le" -filter_complex "$3" -frames:v 1 "$work/$1.png"; }
# A repeatable random number from 0 to 1 for the point (A, B).
hash() { echo "mod(abs(sin(($1)*127.1+($2)*311.7)*43758.5453),1)"; }
# fbm X Y DECAY: computes in ld(3) a sum of octaves of value noise, from coarse to fine. Each is damped where the ground
# is steep already, which looks like erosion.
fbm() {
  local i='floor(ld(0))' j='floor(ld(1))' fx='(ld(0)-floor(ld(0)))' fy='(ld(1)-floor(ld(1)))'
  local ux="($fx*$fx*(3-2*$fx))" uy="($fy*$fy*(3-2*$fy))"
  echo "st(0,$1);st(1,$2);st(2,1);st(3,0);st(4,0);st(5,0);while(gt(ld(2),0.003),
      st(6,$(hash $i $j));st(7,$(hash "$i+1" $j)-ld(6));st(8,$(hash $i "$j+1")-ld(6));
      st(9,$(hash "$i+1" "$j+1")-ld(6)-ld(7)-ld(8));
      st(4,ld(4)+6*$fx*(1-$fx)*(ld(7)+ld(9)*$uy));st(5,ld(5)+6*$fy*(1-$fy)*(ld(8)+ld(9)*$ux));
      st(3,ld(3)+ld(2)*(ld(6)+ld(7)*$ux+ld(8)*$uy+ld(9)*$ux*$uy)/(1+ld(4)*ld(4)+ld(5)*ld(5)));
      st(2,ld(2)*$3);st(6,ld(0));st(0,1.6*ld(0)-1.2*ld(1));st(1,1.2*ld(6)+1.6*ld(1)));"; }

# --- Sky: blue above, warm light low on the right, thin clouds; half the size is enough. ---
sky() { # ZENITH MIDDLE HORIZON CLOUD: one colour channel
  echo "$(fbm 'X/260+2.2' 'Y/75+6.4' 0.55) st(4,clip((ld(3)-0.62)*1.1,0,0.7)*clip(1.1-Y/H*1.9,0,1));
    st(5,clip(Y/H*1.7,0,1));st(6,exp(-hypot((X/W-0.86)*2.2,(Y/H-0.52)*2.6)*1.6));
    st(7,$1+($2-$1)*clip(ld(5)*1.5,0,1));st(7,ld(7)+($3-ld(7))*clip(ld(5)*ld(5)*0.8+ld(6)*0.75,0,1));
    65535*clip(ld(7)+($4-ld(7))*ld(4),0,1)"; }
paint sky "$((W / 2))x$((H / 2))" \
  "geq=r='$(sky 0.13 0.45 1.00 0.95)':g='$(sky 0.29 0.63 0.86 0.86)':b='$(sky 0.58 0.86 0.72 0.90)':a=65535"

# --- Mountains: a height map seen in perspective. ------------------------------------
# In the map X goes right and Y goes away from us; its green plane holds the height.
# A valley is subtracted in the middle, and one high summit is added behind it.
K=560/65535 # map value to height in pixels
height="$(fbm 'X/400+3.3' 'Y/400+7.7' 0.47) st(0,X/W-0.5);st(1,Y/H);
  65535*clip(0.55*ld(3)*(0.3+0.7*clip(ld(1)*1.5-0.35,0,1))*(1-0.65*exp(-pow((ld(0)+0.04)/0.13,2)))
    +0.60*exp(-hypot((ld(0)-0.06)*W,(ld(1)-0.88)*H)/190)*(0.3+0.85*ld(3)),0,1)"
slope="st(0,(g(X+1,Y)-g(X-1,Y))/2*$K);st(1,(g(X,Y+1)-g(X,Y-1))/2*$K);st(2,1/sqrt(1+ld(0)*ld(0)+ld(1)*ld(1)));"
# Blue plane: sunlight from the right. Shadows are found by steps towards the sun.
light="$slope st(5,g(X,Y)*$K);st(4,2);st(3,0);
  while(lt(ld(4),260),st(3,max(ld(3),g(X+0.85*ld(4),Y-0.25*ld(4))*$K-ld(5)-0.36*ld(4)));st(4,ld(4)*1.06+1));
  65535*clip((-0.85*ld(0)+0.25*ld(1)+0.36)*ld(2),0,1)*clip(1-ld(3)/6,0,1)"
# Red plane: where snow lies; steep faces are bare rock.
snow="$slope 65535*clip((ld(2)-0.4)*4,0,1)"
mx='(W/2+(X-W/2)/1050*' # map column seen at screen column X, times the distance
march() { # FROM TO: green becomes 50 times the distance where this sight line meets the ground
  echo "st(0,$1);st(2,(Y-600)/1050);st(1,1);while(gt(ld(1),0)*lt(ld(0),$2),
    st(1,240-ld(2)*ld(0)-g($mx ld(0)),ld(0))*$K);st(0,ld(0)+max(0.5,ld(1)*0.3)));if(gt(ld(1),0),0,50*ld(0))"; }
tint() { # ROCK SHADE SUN HAZE: one colour channel, from snow, light and distance
  echo "st(3,g(X,Y)/50);st(0,r($mx ld(3)),ld(3))/65535);st(1,b($mx ld(3)),ld(3))/65535);
    st(2,if(ld(3),1-exp(-ld(3)/1900),1));65535*clip((ld(0)+(1-ld(0))*$1)*($2+ld(1)*$3)*(1-ld(2))+$4*ld(2),0,1)"; }
ridge() { # FROM TO; blurring the alpha alone (plane 8) smooths the skyline
  echo "geq=r='r(X,Y)':g='$(march "$1" "$2")':b='b(X,Y)':a=65535,geq=r='$(tint 0.27 0.25 0.98 0.90)':
    g='$(tint 0.25 0.36 0.66 0.80)':b='$(tint 0.30 0.60 0.34 0.80)':a='65535*gt(g(X,Y),0)',gblur=0.7:planes=8"; }
paint ridges "${W}x$H" "geq=r=0:g='$height':b=0:a=65535,geq=r='$snow':g='g(X,Y)':b='$light':a=65535,
  split[map1][map2];[map1]$(ridge 430 1075)[far];[map2]$(ridge 20 430)[mid];[far][mid]vstack"

# --- Near slope: a snow bank with firs, small ones behind and tall ones in front. -----
bank() { echo "(965-170*pow(($1)/W*2-1,2)+16*sin(($1)/170)+9*sin(($1)/67))"; } # its edge at a column
each_fir() { # TOP REACH BODY: runs it below TOP for every fir within REACH times its height,
  # with ld(0) its number, ld(1) its column, ld(2) its foot, ld(3) its height
  echo "st(0,if(gt(Y,$1),0,64));st(4,0);while(lt(ld(0),64),st(8,ld(0)/64);
    st(1,W*(0.5+(0.07+0.15*ld(8)+0.34*$(hash 'ld(0)' 2))*(mod(ld(0),2)*2-1)));
    st(3,(56+330*ld(8)*ld(8))*(0.7+0.6*$(hash 'ld(0)' 3)));
    if(lt(abs(X-ld(1)),ld(3)*$2),st(2,$(bank 'ld(1)')+8+150*ld(8)*ld(8));$3);st(0,ld(0)+1));65535*ld(4)"; }
# Red plane: the firs, from dark needles to the snow lying on each tier of branches.
firs=$(each_fir 400 0.22 "st(7,(Y-ld(2)+ld(3))/ld(3));st(5,abs(X-ld(1))/ld(3)*4.6);
  if(between(ld(7),0,0.98-0.06*ld(5)*ld(5)),
    st(6,ld(7)*(9+5*ld(8))+ld(0)*0.37-1.2*ld(5)+0.5*$(hash 'floor((X-ld(1))/3)' 'ld(0)'));st(9,ld(6)-floor(ld(6)));
    if(lt(ld(5),(0.03+0.97*ld(7))*(0.5+0.5*ld(9))*(0.7+0.3*$(hash 'floor(ld(6))' 'ld(0)*2+gt(X,ld(1))'))),
      st(4,0.03+0.95*clip(1.05-2*ld(9)+0.9*($(hash 'floor(X/2)' 'floor(Y/2)')-0.5),0,1)
        *(0.5+0.5*gt(X,ld(1)-ld(3)*0.02)))))")
# Blue plane: their shadows, cast to the left.
shadows=$(each_fir 760 2.2 "st(5,(ld(1)-X)/ld(3)/2.2);if(between(ld(5),0,1),st(4,max(ld(4),
    clip((0.08*ld(3)*(1-ld(5))*clip(ld(5)*9,0,1)-abs(Y-ld(2)-0.2*ld(3)*ld(5)))/5+0.5*clip(ld(5)*9,0,1),0,1))))")
near() { # SHADE SUN NEEDLES SNOW: one colour channel
  echo "st(0,clip(0.5+(g(X-3,Y)-g(X+3,Y))/1700-(g(X,Y+2)-g(X,Y-2))/6000,0.1,1)*(1-0.8*b(X,Y)/65535));
    65535*clip(if(r(X,Y),$3+($4-$3)*r(X,Y)/65535,$1+ld(0)*$2),0,1)"; }
paint near "${W}x$H" "geq=r='$firs':g='if(gt(Y,760),$(fbm 'X/330+8.2' 'Y/75+1.4' 0.36) 65535*ld(3)/2,0)':
  b='$shadows':a=65535,
  gblur=2:planes=2,geq=r='$(near 0.25 0.98 0.07 0.88)':g='$(near 0.36 0.66 0.12 0.84)':b='$(near 0.60 0.34 0.17 0.93)':
  a='65535*gt(r(X,Y)+gt(Y,$(bank X)),0)',gblur=0.7:planes=8"

# --- Snow: tiles of soft round flakes, at most one in each cell of a grid. -------------
# The tile's sides are as many pixels as the film has frames. So a flake that moves by whole pixels per frame ends
# where it began, and the film can be played in a loop.
flakes() { # NAME CELL SMALL LARGE STRETCH DENSITY OPACITY: radii in pixels
  local i="floor(X/$2)+$2" j="floor(Y/$2)"
  paint "$1" "${frames}x$frames" "format=gray,geq=lum='
    st(0,mod(X,$2));st(1,mod(Y,$2));st(2,$3+($4-$3)*$(hash "$i" "$j+0.1"));st(3,ld(2)*$5);
    st(4,(ld(0)-ld(2)-($2-2*ld(2))*$(hash "$i" "$j+0.2"))/ld(2));
    st(5,(ld(1)-ld(3)-($2-2*ld(3))*$(hash "$i" "$j+0.3"))/ld(3));
    255*$7*lt($(hash "$i" "$j+0.4"),$6)*pow(clip(1-ld(4)*ld(4)-ld(5)*ld(5),0,1),1.5)',loop=5:1,tile=3x2"; }
flakes snow1 30 1.2 2.4 1.0 0.55 0.60
flakes snow2 50 2.0 3.6 1.1 0.50 0.75
flakes snow3 90 3.5 6.0 1.2 0.45 0.85
flakes snow4 150 6.0 11 1.3 0.35 0.70
flakes snow5 450 20 38 1.3 0.45 0.32

# --- The film: every motion has a whole number of periods in its length. -----------------------
turn="2*PI/$frames" hold="loop=-1:1,setpts=N/$fps/TB"
yuv='scale=out_color_matrix=bt709:out_range=tv,format'
pan() { # PIXELS ZOOM: a slow swing; perspective, unlike crop, moves by fractions of a pixel
  local x="$1*sin(on*$turn)" z="$2*(0.5-0.5*cos(on*$turn))"
  echo "$hold,perspective=eval=frame:x0='W*$z+$x':y0='H*$z':x1='W-W*$z+$x':y1='H*$z':
    x2='W*$z+$x':y2='H-H*$z':x3='W-W*$z+$x':y3='H-H*$z',crop=1920:1080"; }
fall() { # DRIFT SPEED SWAY SWINGS: pixels per frame, pixels, and number of them
  echo "$hold,crop=1920:1080:$frames-mod(n*$1+$3*sin(n*$turn*$4)+$frames\,$frames):$frames-mod(n*$2\,$frames)"; }
wind() { # SEED PHASE: one channel's rumble and hiss, both louder and softer in turn
  echo "anoisesrc=color=brown:seed=$1:amplitude=0.3,highpass=90,lowpass=600[rumble$1];
    anoisesrc=color=pink:seed=$1$1:amplitude=0.17,bandpass=520:width_type=q:width=1.2,
    volume=pow(0.5+0.5*sin(2*PI*t/15+$2)\,2):eval=frame[hiss$1];[rumble$1][hiss$1]amix=normalize=0,
    volume=0.55+0.3*sin(2*PI*t/20+$2)+0.1*sin(2*PI*t/7.5):eval=frame"; }
say "painting done, filming"; inputs=()
for name in sky ridges near snow{1..5}; do inputs+=(-framerate "$fps" -i "$work/$name.png"); done
ff "${inputs[@]}" -filter_complex "
  [0]scale=$W:$H:flags=bicubic,format=rgba[sky];[1]format=rgba,split[a][b];[a]crop=$W:$H:0:0[a];
  [sky][a]overlay=format=gbrp,noise=alls=2,$yuv=yuv420p,$(pan 18 0.006)[far];
  [b]crop=$W:$H:0:$H,$yuv=yuva420p,$(pan 45 0.012)[mid];[2]$yuv=yuva420p,$(pan 110 0.03)[near];
  [3]$(fall 1 2 0 0)[a];[4]$(fall 1 3 24 5)[b];[a][b]blend=all_mode=screen[a];
  [5]$(fall 2 5 40 6)[b];[a][b]blend=all_mode=screen[a];[6]$(fall 3 8 60 5)[b];[a][b]blend=all_mode=screen[a];
  [7]$(fall 4 13 60 4)[b];[a][b]blend=all_mode=screen[flakes];
  color=white:s=1920x1080:r=$fps,format=yuva420p[white];[white][flakes]alphamerge[snow];
  [far][mid]overlay[land];[land][near]overlay[land];[land][snow]overlay,format=yuv420p,trim=end_frame=${frames}[video];
  $(wind 1 0)[left];$(wind 2 0.9)[right];[left][right]join=inputs=2:channel_layout=stereo,
  atrim=end=$seconds,afade=d=0.1,afade=out:d=0.1:st=$((seconds - 1)).9[audio]" -map '[video]' -map '[audio]' \
  -c:v libx264 -profile:v high -preset faster -b:v 5440k -maxrate 7M -bufsize 10M -g $((2 * fps)) \
  -colorspace bt709 -color_primaries bt709 -color_trc bt709 -c:a aac -b:a 128k -movflags +faststart "$work/film.mp4"

size=$(wc -c <"$work/film.mp4")
((size >= 34 << 20 && size <= 48 << 20)) || { say "${0##*/}: the film has $size bytes, not 34 to 48 MiB"; exit 1; }
mkdir -p -- "$(dirname -- "$out")" && mv -f -- "$work/film.mp4" "$out"
say "$out: $size bytes"
