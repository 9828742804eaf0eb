<?php
/* A client of the rehearsal: writes numbered rows for ever and says what became of each, one JSON line a thing.

   usage: client.php NAME common|resilient write|read DSN USER PASSWORD WHICH-SERVER [option=value …] */

declare(strict_types=1);

require __DIR__ . '/common_client.php';
require getenv('RESILIENT_CLIENT');

[, $name, $loop, $mode, $dsn, $user, $password, $which] = $argv;
parse_str(implode('&', array_slice($argv, 8)), $options);
$options = array_map('floatval', $options);
if (isset($options['net_read_timeout'])) {
    ini_set('mysqlnd.net_read_timeout', (string) $options['net_read_timeout']);
    unset($options['net_read_timeout']);
}

function say(string $kind, array $more): void
{
    global $name;
    fwrite(STDOUT, json_encode(['t' => microtime(true), 'kind' => $kind, 'client' => $name] + $more) . "\n");
}

$n = 0;
$trouble = function (PDOException $error) use (&$n): void {
    say('trouble', ['n' => $n, 'code' => (string) ($error->errorInfo[1] ?? $error->getCode()), 'message' => $error->getMessage()]);
};
$client = $loop === 'common'
    ? new CommonClient($dsn, $user, $password, $trouble)
    : new ResilientClient($dsn, $user, $password, ...$options, onTrouble: $trouble);

while (true) {
    $n++;
    try {
        $server = $client->run(function (PDO $db) use ($mode, $name, $n, $which): string {
            if ($mode === 'write') {
                try {
                    $db->prepare('INSERT INTO entries (client, n) VALUES (?, ?)')->execute([$name, $n]);
                } catch (PDOException $error) {
                    // 23000/23505: an earlier try was committed and its answer got lost.
                    if (!str_starts_with((string) $error->getCode(), '23')) {
                        throw $error;
                    }
                }
            }
            return (string) $db->query($which)->fetchColumn();
        });
        say($mode === 'write' ? 'ack' : 'read', ['n' => $n, 'server' => $server]);
    } catch (PDOException $error) {
        say('gave-up', ['n' => $n]);
    }
    usleep(50_000);
}
