<?php
/* The retry loop that people have: five retries, pauses doubling from one second, the defaults of PDO.

   It is here to be measured, not to be copied: examples/resilient_client.php is for that. */

declare(strict_types=1);

final class CommonClient
{
    private ?PDO $db = null;

    public function __construct(
        private string $dsn,
        private string $user,
        private string $password,
        private Closure $onTrouble,
    ) {
    }

    public function run(callable $work): mixed
    {
        for ($retry = 0, $pause = 1; ; $retry++, $pause *= 2) {
            try {
                $this->db ??= new PDO($this->dsn, $this->user, $this->password);
                return $work($this->db);
            } catch (PDOException $error) {
                ($this->onTrouble)($error);
                $this->db = null;
                if ($retry === 5) {
                    throw $error;
                }
                sleep($pause);
            }
        }
    }
}
