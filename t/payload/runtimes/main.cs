// Threads, sockets, generated code, child processes, files, garbage.  Prints results only.
using System;
using System.Diagnostics;
using System.IO;
using System.Linq.Expressions;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

class Program {
    static void Main() {
        long n = 0;
        Parallel.For(0, 1000, i => Interlocked.Add(ref n, i));
        Console.WriteLine("threads " + n);
        var x = Expression.Parameter(typeof(int));
        Console.WriteLine("generated " + Expression.Lambda<Func<int, int>>(Expression.Multiply(x, Expression.Constant(6)), x).Compile()(7));
        var l = new TcpListener(IPAddress.Loopback, 0);
        l.Start();
        var client = Task.Run(() => {
            using (var c = new TcpClient("127.0.0.1", ((IPEndPoint) l.LocalEndpoint).Port))
                return new StreamReader(c.GetStream()).ReadLine();
        });
        using (var c = l.AcceptTcpClient()) {
            var w = new StreamWriter(c.GetStream());
            w.WriteLine("hello");
            w.Flush();
        }
        Console.WriteLine("socket " + client.Result);
        for (int i = 0; i < 20000; i++)
            GC.KeepAlive(new byte[8192]);
        GC.Collect();
        File.WriteAllText("/tmp/cs", "text");
        Console.WriteLine("file " + File.ReadAllText("/tmp/cs"));
        File.Delete("/tmp/cs");
        var p = Process.Start(new ProcessStartInfo("/bin/echo", "out") { RedirectStandardOutput = true, UseShellExecute = false });
        Console.WriteLine("child " + p.StandardOutput.ReadLine());
        p.WaitForExit();
        try { object o = null; o.ToString(); } catch (NullReferenceException) { Console.WriteLine("fault caught"); }
    }
}
