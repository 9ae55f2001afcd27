package tracini

import ("testing";"os";"syscall";"time")
func BenchmarkParseOnly(b *testing.B){
	t,_:=os.ReadFile("/tmp/h-db/t16/lighthouse/conf/trac.ini"); s:=string(t)
	for b.Loop(){ parse(s) }
}
func cpu() time.Duration { var r syscall.Rusage; syscall.Getrusage(0,&r); return time.Duration(r.Utime.Nano()+r.Stime.Nano()) }
func BenchmarkLoadCPU(b *testing.B){
	c:=cpu(); n:=0
	for b.Loop(){ Load("/tmp/h-db/t16/lighthouse/conf/trac.ini"); n++ }
	b.ReportMetric(float64((cpu()-c).Nanoseconds())/float64(n),"cpu-ns/op")
}
func BenchmarkRead(b *testing.B){
	for b.Loop(){ read("/tmp/h-db/t16/lighthouse/conf/trac.ini") }
}
