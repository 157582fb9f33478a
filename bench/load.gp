# SPDX-License-Identifier: GPL-2.0
# Latency of requests against load; bench/run writes the .dat files.
set terminal svg size 900,500 font "sans-serif,14" background "#ffffff"
set output "load.svg"
set title "Inference requests on a GPU that training keeps full (mock MI300X)"
set xlabel "load: part of the time for which inference alone would use the GPU, %"
set ylabel "latency of a request, ms (log scale)"
set logscale y
set xrange [5:95]
set xtics (10, 30, 50, 70, 90)
set grid xtics ytics lc rgb "#dddddd" lt 1
set border 3 lc rgb "#666666"
set tics nomirror
set key outside right center Left reverse samplen 3 spacing 1.3
plot "load-stock.dat" using 1:3 with linespoints lw 2.5 pt 7 lc rgb "#d55e00" title "stock, p99, and growing", \
     "load-stock.dat" using 1:2 with linespoints lw 2.5 pt 6 dt 2 lc rgb "#d55e00" title "stock, p50, and growing", \
     "load-userspace.dat" using 1:3 with linespoints lw 5 pt 7 lc rgb "#f0c060" title "user space, p99", \
     "load-userspace.dat" using 1:2 with linespoints lw 5 pt 6 dt 2 lc rgb "#f0c060" title "user space, p50", \
     "load-gpreempt.dat" using 1:3 with linespoints lw 2.5 pt 7 lc rgb "#0060a0" title "GPREEMPT, p99", \
     "load-gpreempt.dat" using 1:2 with linespoints lw 2.5 pt 6 dt 2 lc rgb "#0060a0" title "GPREEMPT, p50", \
     "load-alone.dat" using 1:3 with linespoints lw 2.5 pt 7 lc rgb "#222222" title "alone, p99", \
     "load-alone.dat" using 1:2 with linespoints lw 2.5 pt 6 dt 2 lc rgb "#222222" title "alone, p50"
