// Threads, collections under the garbage collector, sockets, files mapped and watched, child processes, compiled hot code.  Prints results only.
import java.io.*;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;

public class Main {
    static long hot(int n) {
        long s = 0;
        for (int i = 0; i < n; i++)
            s = (s + (long) i * i) % 1000003;
        return s;
    }

    public static void main(String[] args) {
        try {
            run();
            System.exit(0);
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);     // threads of the pool would wait for ever
        }
    }

    static void run() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> parts = new ArrayList<>();
        for (int i = 0; i < 8; i++)
            parts.add(pool.submit(() -> hot(2000000)));
        long sum = 0;
        for (Future<Long> f : parts)
            sum += f.get();
        System.out.println("threads " + sum);
        List<byte[]> kept = new ArrayList<>();
        for (int i = 0; i < 20000; i++) {
            kept.add(new byte[8192]);
            if (kept.size() > 2000)
                kept.subList(0, 1000).clear();
        }
        System.gc();
        System.out.println("garbage " + (kept.size() > 0));
        try (ServerSocketChannel server = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0)); Selector s = Selector.open()) {
            int port = ((InetSocketAddress) server.getLocalAddress()).getPort();
            server.configureBlocking(false);
            server.register(s, SelectionKey.OP_ACCEPT);
            Future<String> client = pool.submit(() -> {
                try (Socket c = new Socket("127.0.0.1", port)) {
                    return new BufferedReader(new InputStreamReader(c.getInputStream())).readLine();
                }
            });
            s.select(20000);
            try (SocketChannel c = server.accept()) {
                c.write(ByteBuffer.wrap("hello\n".getBytes()));
            }
            System.out.println("socket " + client.get());
        }
        try (DatagramSocket a = new DatagramSocket(0, InetAddress.getLoopbackAddress()); DatagramSocket b = new DatagramSocket()) {
            b.send(new DatagramPacket(new byte[] {1, 2}, 2, a.getLocalSocketAddress()));
            DatagramPacket p = new DatagramPacket(new byte[9], 9);
            a.receive(p);
            System.out.println("datagram " + p.getLength());
        }
        Path folder = Files.createTempDirectory("j");
        try (WatchService watch = folder.getFileSystem().newWatchService();
             FileChannel f = FileChannel.open(folder.resolve("f"), StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            folder.register(watch, StandardWatchEventKinds.ENTRY_CREATE);
            Files.createFile(folder.resolve("g"));
            System.out.println("watch " + (watch.poll(20, TimeUnit.SECONDS) != null));
            f.lock();
            MappedByteBuffer m = f.map(FileChannel.MapMode.READ_WRITE, 0, 4096);
            m.put(0, (byte) 7);
            m.force();
            System.out.println("mapped " + f.map(FileChannel.MapMode.READ_ONLY, 0, 4096).get(0));
        }
        Process p = new ProcessBuilder("/bin/echo", "out").start();
        System.out.println("child " + new BufferedReader(new InputStreamReader(p.getInputStream())).readLine() + " " + p.waitFor());
    }
}
