/** Queries with the records that they must give: for the tests, and to be tried on other servers. */

export interface QueryCase {
  /** Default: `PEOPLE`. */
  readonly data?: string
  /** Default: CSV with a header. */
  readonly input?: 'csv' | 'csv-none' | 'csv-ignore' | 'lines' | 'document'
  readonly output?: 'csv'
  readonly sql: string
  /** Records, without the last line end. */
  readonly records?: string
  /** Code of the error, before or in the stream. */
  readonly error?: string
}

export const PEOPLE = `id,name,n,when
1,Ann,10,2020-02-29T
2,"B,ob",2.5,2021-01-01T10:30:15.25+02:00
3,,,
`

/** Of a query without columns. */
function one(sql: string, value: string): QueryCase {
  return { sql: `SELECT ${sql} AS v FROM S3Object LIMIT 1`, records: `{"v":${value}}` }
}

function failing(sql: string, error: string): QueryCase {
  return { sql: `SELECT ${sql} AS v FROM S3Object LIMIT 1`, error }
}

function whereIds(condition: string, ids: string): QueryCase {
  const records =
    ids === ''
      ? ''
      : ids
          .split(' ')
          .map((id) => `{"id":"${id}"}`)
          .join('\n')
  return { sql: `SELECT id FROM S3Object s WHERE ${condition}`, records }
}

function lines(data: string, sql: string, records: string): QueryCase {
  return { data, input: 'lines', sql, records }
}

function document(data: string, sql: string, records: string): QueryCase {
  return { data, input: 'document', sql, records }
}

const SYNTAX: readonly QueryCase[] = [
  { sql: 'select id from s3object limit 1', records: '{"id":"1"}' },
  { sql: 'SELECT id FROM S3Object LIMIT 1;', records: '{"id":"1"}' },
  { sql: 'SELECT s.id FROM S3Object s LIMIT 1', records: '{"id":"1"}' },
  { sql: 'SELECT s.id FROM S3Object AS s LIMIT 1', records: '{"id":"1"}' },
  { sql: 'SELECT S3Object.id FROM S3Object LIMIT 1', records: '{"id":"1"}' },
  { sql: 'SELECT S3Object.id FROM S3Object s LIMIT 1', records: '{"id":"1"}' },
  { sql: 'SELECT s."name" FROM S3Object s LIMIT 1', records: '{"name":"Ann"}' },
  { sql: 'SELECT s.NAME FROM S3Object s LIMIT 1', records: '{"NAME":"Ann"}' },
  { sql: 'SELECT s."NAME" FROM S3Object s LIMIT 1', error: 'MissingHeaders' },
  { sql: "SELECT id AS 'x y' FROM S3Object LIMIT 1", records: '{"x y":"1"}' },
  { sql: 'SELECT id AS "x y", n AS m FROM S3Object LIMIT 1', records: '{"x y":"1","m":"10"}' },
  { sql: 'SELECT id x FROM S3Object LIMIT 1', records: '{"x":"1"}' },
  { sql: 'SELECT _1, _3 FROM S3Object LIMIT 1', records: '{"_1":"1","_3":"10"}' },
  { sql: 'SELECT _9 FROM S3Object LIMIT 1', records: '{"_9":null}' },
  { sql: 'SELECT id, id FROM S3Object LIMIT 1', records: '{"id":"1","id":"1"}' },
  {
    sql: 'SELECT s.* FROM S3Object s LIMIT 1',
    records: '{"id":"1","name":"Ann","n":"10","when":"2020-02-29T"}',
  },
  { sql: 'SELECT * FROM S3Object LIMIT 0', records: '' },
  { sql: 'SELECT COUNT(*) FROM S3Object LIMIT 0', records: '' },
  { sql: 'SELECT 1', error: 'ParseSelectFailure' },
  { sql: 'SELECT FROM S3Object', error: 'ParseSelectFailure' },
  { sql: 'SELECT *, id FROM S3Object', error: 'ParseSelectFailure' },
  { sql: 'SELECT id FROM S3Object WHERE', error: 'ParseSelectFailure' },
  { sql: 'SELECT id FROM S3Object WHERE id = 1 = 2', error: 'ParseSelectFailure' },
  { sql: "SELECT 'x FROM S3Object", error: 'ParseSelectFailure' },
  { sql: 'SELECT id ~ 1 FROM S3Object', error: 'ParseSelectFailure' },
  { sql: 'SELECT nothing(1) FROM S3Object', error: 'ParseSelectFailure' },
  { sql: 'SELECT id FROM S3Object LIMIT -1', error: 'InvalidQuery' },
  { sql: 'SELECT id FROM S3Object LIMIT 1.5', error: 'InvalidQuery' },
  { sql: 'SELECT id FROM S3Object GROUP BY id', error: 'ParseSelectFailure' },
  { sql: 'SELECT id FROM other', error: 'BadTableName' },
  { sql: 'SELECT id FROM S3Object[*].a', error: 'DataSourcePathUnsupported' },
  { sql: 'SELECT id.a FROM S3Object', error: 'DataSourcePathUnsupported' },
  { sql: 'SELECT LOWER() FROM S3Object', error: 'InvalidQuery' },
  { sql: 'SELECT CAST(1 AS blob) FROM S3Object', error: 'ParseSelectFailure' },
]

const VALUES: readonly QueryCase[] = [
  one('1 + 2 * 3', '7'),
  one('(1 + 2) * 3', '9'),
  one('7 / 2', '3'),
  one('-7 / 2', '-3'),
  one('7.0 / 2', '3.5'),
  one('-7 % 3', '-1'),
  one('7.5 % 2', '1.5'),
  one('10 - 2 - 3', '5'),
  one('--5', '5'),
  one('1e3', '1000'),
  one('.5', '0.5'),
  one('9223372036854775807', '9223372036854775807'),
  one('-9223372036854775808', '-9223372036854775808'),
  one('9007199254740993 = 9007199254740992.0', 'false'),
  one('0.1 + 0.2 = 0.3', 'false'),
  one("'it''s'", '"it\'s"'),
  one("'a' || 'b' || 'c'", '"abc"'),
  one("'a' || NULL", 'null'),
  one('TRUE', 'true'),
  one('NULL', 'null'),
  one('[1, 2]', '[1,2]'),
  one('(1, 2)', '[1,2]'),
  one('`2007-02-23T12:14Z`', '"2007-02-23T12:14Z"'),
  one('s3object.n + 1', '11'),
  one("'5' + 1", '6'),
  failing('1 / 0', 'InvalidQuery'),
  failing('1 % 0', 'InvalidQuery'),
  failing("'a' + 1", 'InvalidDataType'),
  failing('9223372036854775807 + 1', 'IntegerOverflow'),
  failing('-(-9223372036854775808)', 'IntegerOverflow'),
  { sql: 'SELECT MISSING AS a, 1 AS b FROM S3Object LIMIT 1', records: '{"b":1}' },
]

const CONDITIONS: readonly QueryCase[] = [
  whereIds('id = 1', '1'),
  whereIds('id = 1.0', '1'),
  whereIds("id = '1'", '1'),
  whereIds("id = '01'", ''),
  whereIds('id <> 1', '2 3'),
  whereIds('id != 1', '2 3'),
  whereIds('id > 1 AND id <= 2', '2'),
  whereIds('id < 2 OR id > 2', '1 3'),
  whereIds('NOT id = 1', '2 3'),
  whereIds('NOT NOT id = 1', '1'),
  whereIds('n > 2', '1 2'),
  whereIds('n = NULL', ''),
  whereIds('NOT n = NULL', ''),
  whereIds('n = NULL OR id = 2', '2'),
  whereIds('n = NULL AND id = 2', ''),
  whereIds('_9 IS NULL', '1 2 3'),
  whereIds('_9 IS NOT NULL', ''),
  whereIds('name IS NULL', ''),
  whereIds("name = ''", '3'),
  whereIds('id BETWEEN 2 AND 3', '2 3'),
  whereIds('id NOT BETWEEN 2 AND 3', '1'),
  whereIds('id IN (1, 3)', '1 3'),
  whereIds('id IN (2)', '2'),
  whereIds('id NOT IN (1, 3)', '2'),
  whereIds('NOT id IN (1, 3)', '2'),
  whereIds('id NOT IN (1, NULL)', ''),
  whereIds('id IN [1, 2]', '1 2'),
  whereIds("name LIKE 'A%'", '1'),
  whereIds("name LIKE '%,%'", '2'),
  whereIds("name LIKE '_,__'", '2'),
  whereIds("name LIKE '%'", '1 2 3'),
  whereIds("name LIKE ''", '3'),
  whereIds("name NOT LIKE '%n%'", '2 3'),
  whereIds("name LIKE 'a%'", ''),
  whereIds("'50%' LIKE '50!%' ESCAPE '!' AND id = 1", '1'),
  whereIds("'505' LIKE '50!%' ESCAPE '!'", ''),
  whereIds('TRUE', '1 2 3'),
  whereIds('FALSE', ''),
  whereIds('[1, 2] = (1, 2)', '1 2 3'),
  whereIds('id < n', '1 2'),
  whereIds('s."when" < `2020-06-01T`', '1'),
  { sql: 'SELECT id FROM S3Object WHERE 5', error: 'InvalidDataType' },
  { sql: 'SELECT id FROM S3Object WHERE id LIKE 5', error: 'LikeInvalidInputs' },
  { sql: "SELECT id FROM S3Object WHERE id LIKE 'x!' ESCAPE '!'", error: 'LikeInvalidInputs' },
]

const FUNCTIONS: readonly QueryCase[] = [
  one('COALESCE(NULL, MISSING, 3)', '3'),
  one('COALESCE(NULL, NULL)', 'null'),
  one('NULLIF(1, 1)', 'null'),
  one('NULLIF(1, 2)', '1'),
  one('NULLIF(1, 1.0)', 'null'),
  one("CHAR_LENGTH('añ😀')", '3'),
  one("CHARACTER_LENGTH('')", '0'),
  one("LOWER('ÄB')", '"äb"'),
  one("UPPER('äb')", '"ÄB"'),
  one('UPPER(NULL)', 'null'),
  failing('LOWER(5)', 'IncorrectSqlFunctionArgumentType'),
  one("SUBSTRING('123456789', 0)", '"123456789"'),
  one("SUBSTRING('123456789', 2, 3)", '"234"'),
  one("SUBSTRING('123456789' FROM 7)", '"789"'),
  one("SUBSTRING('123456789' FROM -1 FOR 4)", '"12"'),
  one("SUBSTRING('123456789' FROM -1 FOR 2)", '""'),
  one("SUBSTRING('a😀b' FROM 2 FOR 1)", '"😀"'),
  one("SUBSTRING('abc', 9)", '""'),
  failing("SUBSTRING('abc', 1, -1)", 'IncorrectSqlFunctionArgumentType'),
  one("TRIM('  a b ')", '"a b"'),
  one("TRIM(LEADING FROM '  a ')", '"a "'),
  one("trim(trailing 'xy' from 'xaxyy')", '"xa"'),
  one("TRIM(BOTH '1' FROM '112a211')", '"2a2"'),
  one("TRIM('ab' FROM 'abcba')", '"c"'),
  one("CAST('12.9' AS INT)", '12'),
  one("CAST(' 7 ' AS INTEGER)", '7'),
  one('CAST(-1.9 AS INT)', '-1'),
  one("CAST('true' AS BOOL)", 'true'),
  one('CAST(1.5 AS STRING)', '"1.5"'),
  one("CAST('1.50' AS FLOAT)", '1.5'),
  one("CAST('2.5' AS DECIMAL(5, 2))", '2.5'),
  one('CAST(NULL AS STRING)', 'null'),
  one("CAST('2010-01-31T10:00:00Z' AS TIMESTAMP)", '"2010-01-31T10:00Z"'),
  failing("CAST('x' AS INT)", 'CastFailed'),
  failing("CAST('1' AS BOOL)", 'CastFailed'),
  failing('CAST(1e30 AS INT)', 'CastFailed'),
  failing("CAST('2010-13-01T' AS TIMESTAMP)", 'CastFailed'),
  one("CASE WHEN 1 = 2 THEN 'a' WHEN 1 = 1 THEN 'b' ELSE 'c' END", '"b"'),
  one("CASE 3 WHEN 1 THEN 'a' ELSE 'c' END", '"c"'),
  one("CASE n WHEN 10 THEN 'ten' END", '"ten"'),
  one('CASE WHEN FALSE THEN 1 END', 'null'),
]

const TIMES: readonly QueryCase[] = [
  one("TO_TIMESTAMP('2007T')", '"2007T"'),
  one("TO_TIMESTAMP('2007-03T')", '"2007-03T"'),
  one("TO_TIMESTAMP('2007-02-23T12:14:33.079-08:00')", '"2007-02-23T12:14:33.079-08:00"'),
  failing("TO_TIMESTAMP('2007-02-30T')", 'ValueParseFailure'),
  failing("TO_TIMESTAMP('2007')", 'ValueParseFailure'),
  one('EXTRACT(YEAR FROM `2010-12-31T`)', '2010'),
  one('EXTRACT(month FROM `2010-12-31T`)', '12'),
  one('EXTRACT(HOUR FROM `2010-12-31T10:05+05:30`)', '10'),
  one('EXTRACT(SECOND FROM `2010-12-31T10:05:12.9Z`)', '12'),
  one('EXTRACT(TIMEZONE_HOUR FROM `2010-12-31T10:00+05:30`)', '5'),
  one('EXTRACT(TIMEZONE_MINUTE FROM `2010-12-31T10:00-05:30`)', '-30'),
  one('EXTRACT(YEAR FROM NULL)', 'null'),
  one('DATE_ADD(YEAR, 5, `2010-01-01T`)', '"2015T"'),
  one('DATE_ADD(MONTH, 1, `2010-01-31T`)', '"2010-03-03T"'),
  one('DATE_ADD(MONTH, -1, `2010-01-15T`)', '"2009-12-15T"'),
  one('DATE_ADD(DAY, -1, `2017-01-10T`)', '"2017-01-09T"'),
  one('DATE_ADD(HOUR, 1, `2017-01-02T03:04Z`)', '"2017-01-02T04:04Z"'),
  one('DATE_ADD(SECOND, 1, `2017-01-02T03:04:05.006Z`)', '"2017-01-02T03:04:06.006Z"'),
  failing('DATE_ADD(YEAR, 9000, `2010T`)', 'IntegerOverflow'),
  one('DATE_DIFF(YEAR, `2010-01-01T`, `2011-01-01T`)', '1'),
  one('DATE_DIFF(YEAR, `2010-12-31T`, `2011-01-01T`)', '0'),
  one('DATE_DIFF(MONTH, `2010-12-31T`, `2011-01-01T`)', '1'),
  one('DATE_DIFF(MONTH, `2011T`, `2010T`)', '-12'),
  one('DATE_DIFF(DAY, `2010-01-01T23:00Z`, `2010-01-02T01:00Z`)', '0'),
  one('DATE_DIFF(MINUTE, `2010-01-01T10:00Z`, `2010-01-01T12:30+02:00`)', '30'),
  one("TO_STRING(`1969-07-20T20:18Z`, 'MMMM d, y')", '"July 20, 1969"'),
  one("TO_STRING(`1969-07-20T20:18Z`, 'MMM d, yyyy')", '"Jul 20, 1969"'),
  one("TO_STRING(`1969-07-20T20:18Z`, 'M-d-yy')", '"7-20-69"'),
  one("TO_STRING(`1969-07-20T20:18Z`, 'MM-d-y h:m a')", '"07-20-1969 8:18 PM"'),
  one("TO_STRING(`1969-07-20T20:18+08:00`, 'H:m X')", '"20:18 +08"'),
  one("TO_STRING(`1969-07-20T20:18+08:15`, 'X XX XXX')", '"+0815 +0815 +08:15"'),
  one("TO_STRING(`1969-07-20T20:18Z`, 'X x xx xxx')", '"Z +00 +0000 +00:00"'),
  one("TO_STRING(`1969-07-20T20:18:13.012Z`, 'HH:mm:ss.SSS n')", '"20:18:13.012 12000000"'),
  one("TO_STRING(`1969-07-20T20:18Z`, '''at'' H')", '"at 20"'),
  failing("TO_STRING(`1969T`, 'Q')", 'EvaluatorInvalidTimestampFormatPatternSymbol'),
  failing("TO_STRING(`1969T`, '''x')", 'EvaluatorUnterminatedTimestampFormatPatternToken'),
  one('UTCNOW() > `2020T`', 'true'),
  one('UTCNOW() = UTCNOW()', 'true'),
]

const AGGREGATES: readonly QueryCase[] = [
  { sql: 'SELECT COUNT(*) FROM S3Object', records: '{"_1":3}' },
  { sql: 'SELECT COUNT(*) AS c FROM S3Object WHERE id > 1', records: '{"c":2}' },
  { sql: 'SELECT COUNT(_9), COUNT(id) FROM S3Object', records: '{"_1":0,"_2":3}' },
  {
    sql: 'SELECT SUM(id), AVG(id), MIN(id), MAX(id) FROM S3Object',
    records: '{"_1":6,"_2":2,"_3":1,"_4":3}',
  },
  { sql: 'SELECT SUM(n), MIN(n) FROM S3Object WHERE id < 3', records: '{"_1":12.5,"_2":2.5}' },
  { sql: 'SELECT SUM(n) FROM S3Object', error: 'InvalidDataType' },
  {
    sql: 'SELECT SUM(_9), MIN(_9), MAX(_9), AVG(_9) FROM S3Object',
    records: '{"_1":0,"_2":null,"_3":null,"_4":null}',
  },
  { sql: 'SELECT SUM(id) + 1, 7 FROM S3Object', records: '{"_1":7,"_2":7}' },
  { sql: 'SELECT SUM(CASE WHEN id > 1 THEN 1 ELSE 0 END) FROM S3Object', records: '{"_1":2}' },
  { sql: 'SELECT id FROM S3Object WHERE SUM(id) > 1', error: 'InvalidQuery' },
  { sql: 'SELECT SUM(SUM(id)) FROM S3Object', error: 'InvalidQuery' },
  { sql: 'SELECT id, SUM(id) FROM S3Object', error: 'InvalidQuery' },
  { sql: 'SELECT COUNT(id, n) FROM S3Object', error: 'InvalidQuery' },
  {
    data: 'id\n',
    sql: 'SELECT COUNT(*), SUM(id), AVG(id) FROM S3Object',
    records: '{"_1":0,"_2":0,"_3":null}',
  },
]

const CSV_FORMS: readonly QueryCase[] = [
  {
    data: 'a,b\n1\n1,2,3\n\n4,5\n',
    sql: 'SELECT * FROM S3Object',
    records: '{"a":"1"}\n{"a":"1","b":"2"}\n{"a":"4","b":"5"}',
  },
  { data: 'a,a\n1,2\n', sql: 'SELECT a FROM S3Object', records: '{"a":"1"}' },
  { data: 'a,b\r\n1,2\r\n', sql: 'SELECT * FROM S3Object', records: '{"a":"1","b":"2"}' },
  { data: 'a\n"x\ny"\n', sql: 'SELECT * FROM S3Object', records: '{"a":"x\\ny"}' },
  { data: 'a\n"x ""y"""\n', sql: 'SELECT * FROM S3Object', records: '{"a":"x \\"y\\""}' },
  { data: 'a,b\nx"y,"z"\n', sql: 'SELECT * FROM S3Object', records: '{"a":"x\\"y","b":"z"}' },
  { data: '#x\na\n#y\n1\n', sql: 'SELECT * FROM S3Object', records: '{"a":"1"}' },
  { data: '\ufeffa\n1\n', sql: 'SELECT a FROM S3Object', records: '{"a":"1"}' },
  { data: 'a,b\n1,2', sql: 'SELECT b FROM S3Object', records: '{"b":"2"}' },
  { data: 'a\n"x', sql: 'SELECT * FROM S3Object', error: 'CSVParsingError' },
  {
    input: 'csv-none',
    data: '1,2\n3,4\n',
    sql: 'SELECT * FROM S3Object',
    records: '{"_1":"1","_2":"2"}\n{"_1":"3","_2":"4"}',
  },
  {
    input: 'csv-none',
    data: '1,2\n3,4\n',
    sql: 'SELECT _2 FROM S3Object',
    records: '{"_2":"2"}\n{"_2":"4"}',
  },
  { input: 'csv-none', data: '1,2\n', sql: 'SELECT a FROM S3Object', error: 'InvalidColumnIndex' },
  {
    input: 'csv-ignore',
    data: 'a,b\n3,4\n',
    sql: 'SELECT * FROM S3Object',
    records: '{"_1":"3","_2":"4"}',
  },
  {
    output: 'csv',
    sql: 'SELECT * FROM S3Object',
    records: '1,Ann,10,2020-02-29T\n2,"B,ob",2.5,2021-01-01T10:30:15.25+02:00\n3,,,',
  },
  {
    output: 'csv',
    data: 'a,b,c\n1\n1,2,3,4\n5,6\n',
    sql: 'SELECT * FROM S3Object',
    records: '1\n1,2,3,4\n5,6',
  },
  {
    data: 'a,b,c\n1\n1,2,3,4\n',
    sql: 'SELECT * FROM S3Object',
    records: '{"a":"1"}\n{"a":"1","b":"2","c":"3"}',
  },
  {
    output: 'csv',
    data: 'a,b\n"x ""y""", z\n',
    sql: 'SELECT * FROM S3Object',
    records: '"x ""y"""," z"',
  },
  {
    output: 'csv',
    sql: "SELECT TRUE, NULL, MISSING, 5, 2.5, [1, 'a'] FROM S3Object LIMIT 1",
    records: 'true,,,5,2.5,"[1,""a""]"',
  },
]

const JSON_FORMS: readonly QueryCase[] = [
  lines(
    '{"a":1.50,"b":123,"c":1e3,"d":"x\\u00e9\\n","e":[1,{"z":null}]}',
    'SELECT * FROM S3Object',
    '{"a":1.5,"b":123,"c":1000,"d":"xé\\n","e":[1,{"z":null}]}',
  ),
  lines('{"1":1,"b":2,"a":3,"a":4}', 'SELECT * FROM S3Object', '{"1":1,"b":2,"a":3,"a":4}'),
  lines('{"A":1}', 'SELECT s.a FROM S3Object s', '{"a":1}'),
  lines('{"A":1}', 'SELECT s."a" FROM S3Object s', '{}'),
  lines(
    '{"a":{"b":[{"c":1},{"c":2}]}}',
    'SELECT s.a.b[*].c, s.a.b[0].c AS q, s.a.b[9] AS r FROM S3Object s',
    '{"c":[1,2],"q":1,"r":null}',
  ),
  lines('{"a":{"b":1}}', "SELECT s['a']['b'] FROM S3Object s", '{"b":1}'),
  lines('{"a":{"b":1}}', 'SELECT s.a.* FROM S3Object s', '{"_1":{"b":1}}'),
  lines('{"a":1}\n\n{"b":2}\n', 'SELECT s.a FROM S3Object s', '{"a":1}\n{}'),
  lines(
    '{"a":1}\n{"a":null}\n{}\n',
    'SELECT COUNT(*) AS c FROM S3Object s WHERE s.a IS NULL',
    '{"c":2}',
  ),
  lines(
    '{"a":1}\n{"a":null}\n{}\n',
    'SELECT COUNT(*) AS c FROM S3Object s WHERE s.a IS MISSING',
    '{"c":1}',
  ),
  lines('{"a":[1,2]}\n{"a":[3]}\n', 'SELECT s.a FROM S3Object s WHERE 3 IN s.a', '{"a":[3]}'),
  lines('{"a":"10"}\n{"a":9}\n', 'SELECT s.a FROM S3Object s WHERE s.a = 9', '{"a":9}'),
  lines('{"a":9007199254740993}', 'SELECT s.a + 1 AS b FROM S3Object s', '{"b":9007199254740994}'),
  lines(
    '{"a":18446744073709551615,"b":[-12345678901234567890]}',
    'SELECT * FROM S3Object s WHERE s.a > 9223372036854775807',
    '{"a":18446744073709551615,"b":[-12345678901234567890]}',
  ),
  lines(
    '{"a":18446744073709551615}',
    'SELECT s.a * 2 AS b, CAST(s.a AS STRING) AS c FROM S3Object s',
    '{"b":36893488147419103000,"c":"18446744073709551615"}',
  ),
  lines('{"a":true}', 'SELECT s.a FROM S3Object s WHERE s.a', '{"a":true}'),
  lines('{"a":1}{"a":2}', 'SELECT * FROM S3Object', '{"a":1}\n{"a":2}'),
  lines('[1,2]\n7\n', 'SELECT * FROM S3Object', '{"_1":[1,2]}\n{"_1":7}'),
  {
    input: 'lines',
    data: '{"a":1}\n{"a":\n',
    sql: 'SELECT COUNT(*) FROM S3Object',
    error: 'JSONParsingError',
  },
  {
    input: 'lines',
    data: `${'['.repeat(101)}${']'.repeat(101)}`,
    sql: 'SELECT * FROM S3Object',
    error: 'JSONParsingError',
  },
  {
    input: 'lines',
    data: '{"a":1}',
    sql: 'SELECT s.a[0] FROM S3Object s',
    error: 'InvalidKeyPath',
  },
  document('{"a":1,\n"b":2}\n{"a":3}', 'SELECT * FROM S3Object', '{"a":1,"b":2}\n{"a":3}'),
  document('[{"a":1},{"a":2}]', 'SELECT * FROM S3Object', '{"_1":[{"a":1},{"a":2}]}'),
  document('[{"a":1},{"a":2}]', 'SELECT s.a FROM S3Object[*][*] s', '{"a":1}\n{"a":2}'),
  document(
    '{"r":[{"id":1},{"x":2},{"id":3}]}',
    'SELECT id FROM S3Object[*].r[*]',
    '{"id":1}\n{}\n{"id":3}',
  ),
  document(
    '{"r":[{"id":1},{"x":2},{"id":3}]}',
    'SELECT id FROM S3Object[*].r',
    '{"id":1}\n{}\n{"id":3}',
  ),
  document('{"r":[{"id":1},{"x":2}]}', 'SELECT * FROM S3Object[*].r[1]', '{"x":2}'),
  document('{"r":[1,2,"x"]}', 'SELECT * FROM S3Object[*].r[*]', '{"_1":1}\n{"_1":2}\n{"_1":"x"}'),
  document('{"r":{"id":1}}', 'SELECT d.id FROM S3Object[*].r d', '{"id":1}'),
  {
    input: 'document',
    output: 'csv',
    data: '{"a":{"b":[1,2]},"c":null,"d":true,"e":1.5e10}',
    sql: 'SELECT * FROM S3Object',
    records: '"{""b"":[1,2]}",,true,15000000000',
  },
  { input: 'document', data: '{"a":1', sql: 'SELECT * FROM S3Object', error: 'JSONParsingError' },
]

export const QUERY_CASES: readonly QueryCase[] = [
  ...SYNTAX,
  ...VALUES,
  ...CONDITIONS,
  ...FUNCTIONS,
  ...TIMES,
  ...AGGREGATES,
  ...CSV_FORMS,
  ...JSON_FORMS,
]
