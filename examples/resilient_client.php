<?php
/* A PDO client that outlives a failover of its database. Copy it; it needs nothing but PDO.

     $orders = new ResilientClient('mysql:host=db.orders.example;dbname=orders', 'app', $password);
     $orders->run(function (PDO $db) use ($id) {
         $db->prepare('INSERT INTO orders (id) VALUES (?)')->execute([$id]);
     });

   What the usual loop of five retries lacks, and why each matters when DNS moves to another server:

   - A read time-out. A server that hangs, or a network that drops packets, never answers. mysqlnd waits for
     86,400 s, libpq for ever.
   - Patience in minutes. Noticing and confirming an outage, the promotion and the TTL add up to one or two minutes;
     five retries from one second end after 31 s.
   - A cap on the pauses. Doubling without one, the client sleeps for half a minute after the database is back.
   - A new connection, so a new DNS lookup, on "read-only" (MySQL 1290, PostgreSQL 25006): the client still is, or
     already is, on a server that does not take writes. Retrying on the same connection fails for ever.
   - A lifetime. DNS does not touch open connections: a client that never reconnects keeps writing to the old
     primary for as long as that lives.

   A commit whose answer is lost may or may not have happened. `run` repeats the work then, so give rows their key
   before you call it, and treat "duplicate key" as done. */

declare(strict_types=1);

final class ResilientClient
{
    private ?PDO $db = null;
    private float $connectedAt = 0;

    /**
     * @param float $patience       seconds until an error reaches the caller
     * @param float $readTimeout    seconds for one answer; longer than your longest query
     * @param float $connectTimeout seconds for a connection
     * @param float $lifetime       seconds until an open connection is given back, so that DNS is asked anew
     * @param float $longestPause   seconds between two tries, at most
     */
    public function __construct(
        private string $dsn,
        private string $user,
        private string $password,
        private float $patience = 600,
        private float $readTimeout = 3,
        private float $connectTimeout = 2,
        private float $lifetime = 60,
        private float $longestPause = 2,
        private ?Closure $onTrouble = null,
    ) {
    }

    /** Runs `$work(PDO)` in a transaction, and again after every error that a failover can cause. */
    public function run(callable $work): mixed
    {
        $deadline = microtime(true) + $this->patience;
        $pause = 0.1;
        while (true) {
            try {
                $db = $this->connection();
                $db->beginTransaction();
                $result = $work($db);
                $db->commit();
                return $result;
            } catch (PDOException $error) {
                if ($this->onTrouble) {
                    ($this->onTrouble)($error);
                }
                // Whatever it was, this connection may be to the wrong server: never reuse it.
                $this->db = null;
                if (!self::mayPass($error) || microtime(true) + $pause > $deadline) {
                    throw $error;
                }
                // Half of it at random, so that a thousand clients do not come back in the same instant.
                usleep((int) (1e6 * $pause * (0.5 + mt_rand() / mt_getrandmax() / 2)));
                $pause = min(2 * $pause, $this->longestPause);
            }
        }
    }

    private function connection(): PDO
    {
        if ($this->db && microtime(true) - $this->connectedAt > $this->lifetime) {
            $this->db = null;
        }
        if (!$this->db) {
            $dsn = $this->dsn;
            if (str_starts_with($dsn, 'pgsql:')) {
                // libpq has no read time-out of its own: the kernel's, for data that nobody acknowledges, and the server's.
                $dsn .= sprintf(";tcp_user_timeout=%d;options='-c statement_timeout=%d'", 1000 * $this->readTimeout, 1000 * $this->readTimeout);
            } else {
                ini_set('mysqlnd.net_read_timeout', (string) max(1, (int) $this->readTimeout));
            }
            $this->db = new PDO($dsn, $this->user, $this->password, [
                PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
                PDO::ATTR_TIMEOUT => max(1, (int) $this->connectTimeout),
                // A persistent connection outlives the request, and with it the failover.
                PDO::ATTR_PERSISTENT => false,
            ]);
            $this->connectedAt = microtime(true);
        }
        return $this->db;
    }

    /** Whether another try, on a new connection, can succeed where this one failed. */
    private static function mayPass(PDOException $error): bool
    {
        $state = (string) ($error->errorInfo[0] ?? $error->getCode());
        $code = (int) ($error->errorInfo[1] ?? $error->getCode());
        $mysql = [
            1040, // too many connections: everybody comes back at once
            1047, // Galera: this node is not in the primary component
            1053, 1927, // shutdown, connection killed
            1129, 1130, // host blocked or not allowed: a server that is being set up
            1205, 1213, // lock wait, deadlock (also Galera's certification failure)
            1290, 1792, 1836, // read-only: the server, the transaction, the mode
            2002, 2003, 2005, 2006, 2013, 2055, // no connection, unknown host, gone away, lost
        ];
        $postgresql = ['08', '40', '53', '57'];
        return in_array($code, $mysql, true)
            || $state === '25006' // read-only transaction: a standby
            || in_array(substr($state, 0, 2), $postgresql, true)
            || $state === 'HY000' && $code === 7; // libpq lost its server
    }
}
