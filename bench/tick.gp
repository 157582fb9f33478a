# SPDX-License-Identifier: GPL-2.0
# A tick of the monitor against the number of queues; bench/run writes the .dat files.
set terminal svg size 900,500 font "sans-serif,14" background "#ffffff"
set output "tick.svg"
set title "A tick of the monitor (virtual time: 2 ns an instruction)"
set xlabel "low-priority queues (log scale)"
set ylabel "us (log scale)"
set logscale xy
set xrange [0.8:1250]
set yrange [1:3000]
set xtics (1, 8, 32, 80, 320, 1000)
set grid xtics ytics lc rgb "#dddddd" lt 1
set border 3 lc rgb "#666666"
set tics nomirror
set key outside right center Left reverse samplen 3 spacing 1.3
set label 1 "claimed: under 10 us" at 32,10 point pt 2 ps 1.2 lw 2 offset 1,0
plot "tick-held-1.dat" with linespoints lw 2.5 pt 7 lc rgb "#d55e00" title "work held back, 1 process", \
     "tick-held-8.dat" with linespoints lw 2.5 pt 6 dt 2 lc rgb "#d55e00" title "work held back, 8 processes", \
     "tick-busy-1.dat" with linespoints lw 2.5 pt 7 lc rgb "#0060a0" title "low queues busy, 1 process", \
     "tick-busy-8.dat" with linespoints lw 2.5 pt 6 dt 2 lc rgb "#0060a0" title "low queues busy, 8 processes", \
     "tick-idle-1.dat" with linespoints lw 2.5 pt 7 lc rgb "#222222" title "idle, 1 process", \
     "tick-idle-8.dat" with linespoints lw 2.5 pt 6 dt 2 lc rgb "#222222" title "idle, 8 processes"
